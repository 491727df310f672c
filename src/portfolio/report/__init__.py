"""What people read: charts, the report, the figures in the docs."""
