//! What the benches share.

pub(crate) mod budgets;
pub(crate) mod house;
