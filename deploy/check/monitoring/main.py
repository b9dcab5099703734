"""Proves deploy/monitoring: first what can be judged as it lies there, then all of it at work.

The second half starts two processes of caudal over an S3 that fails now and then, loads them with viewers of every kind,
and has a real Prometheus and Alertmanager look on (stack.py). Every query of every dashboard has to return something, an
alert has to fire and to end, and the people it is for have to hear of both.
"""

import sys

import alertmanager
import at_work
import cloudwatch
import dashboards
import elk
import rules
import runbooks
from asking import Prometheus
from report import Report, end_in_order
from stack import Stack


def main() -> None:
    end_in_order()
    report = Report("monitoring")
    for part in (rules, runbooks, alertmanager, dashboards, elk, cloudwatch):
        part.check(report)
    with report.check("caudal, its storage, Prometheus, Alertmanager and viewers start"), Stack() as stack:
        prometheus = Prometheus(stack.prometheus)
        at_work.check(report, stack, prometheus)
        cloudwatch.check_names(report, prometheus)
        elk.check_lines(report, stack.access_log())
    sys.exit(report.close())


if __name__ == "__main__":
    main()
