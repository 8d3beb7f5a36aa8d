"""Numbers of many records: columns, summary, statistics, groups, gates and baseline."""
