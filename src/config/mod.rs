//! What the user configured, validated and complete.
