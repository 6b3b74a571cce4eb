"""Cloud Monitor, version 2018-07-24: metrics of instances, alarms and their callbacks."""
