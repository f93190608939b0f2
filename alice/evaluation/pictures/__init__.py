"""Films, plots and the page of an audit."""
