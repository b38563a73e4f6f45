"""Who a principal is, and how that is proven."""
