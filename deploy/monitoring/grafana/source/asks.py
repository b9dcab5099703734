"""Questions that several dashboards ask."""

# The processes that were chosen, and where figures have a route, the routes too.
HERE = 'job=~"$job", instance=~"$instance"'
ROUTED = f'{HERE}, route=~"$route"'


def rate(metric: str, by: str = "", more: str = "", chosen: str = HERE) -> str:
    """So many a second, added up."""
    labels = f"{chosen}, {more}" if more else chosen
    grouped = f"sum by ({by})" if by else "sum"
    return f"{grouped} (rate({metric}{{{labels}}}[$__rate_interval]))"


def quantile(share: float, histogram: str, by: str = "", more: str = "", chosen: str = HERE) -> str:
    """What `share` of the samples do not exceed."""
    grouped = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{histogram}_bucket', grouped, more, chosen)})"


def total(metric: str, by: str = "", more: str = "") -> str:
    """A level, added up."""
    labels = f"{HERE}, {more}" if more else HERE
    return f"{f'sum by ({by})' if by else 'sum'} ({metric}{{{labels}}})"
