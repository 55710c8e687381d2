"""Charts from where they are published: repositories with an index, and OCI registries.

Whatever a renderer needs from the network is fetched here, within bounds; the renderer itself has none.
"""

from trueup.clients.charts.charts import Charts
from trueup.clients.charts.model import Chart, ChartBounds, ChartRef

__all__ = ["Chart", "ChartBounds", "ChartRef", "Charts"]
