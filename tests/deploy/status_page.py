#!/usr/bin/python3
"""The status page in a real browser: shows what is forwarded, filters, follows changes by itself,
says when the daemon is gone, and shows hostile text of records as text."""
import argparse
import sys

import browser
import lab

HOSTILE = "<img src=x onerror=document.title='owned'>"
BAD_SERVICE = """---
apiVersion: v1
kind: Service
metadata: {name: bad, namespace: shop}
spec: {clusterIP: "%s", ports: [{port: 80}]}
""" % HOSTILE
LATER_SERVICE = """---
apiVersion: v1
kind: Service
metadata: {name: later, namespace: shop}
spec: {clusterIP: 10.96.0.8, ports: [{name: http, port: 80}]}
"""
ROWS = "[...document.querySelectorAll('#rows tr')]"


def names(page):
    return page.ask("return %s.map(row => row.cells[0].textContent + ' ' + row.cells[2].textContent)" % ROWS)


def check_page(checks, page, daemon):
    page.open(lab.METRICS + "/status")
    checks.expect(page.wait_until("document.body.dataset.ready"), "the page never showed anything")
    checks.expect(len(names(page)) == 4, "rows: %s" % names(page))
    for element, text in (("node", "node-1"), ("mode", "iptables"), ("health", "Healthy"), ("ports", "4")):
        shown = page.ask("return document.getElementById('%s').textContent" % element)
        checks.expect(shown == text, "%s: %s" % (element, shown))
    checks.expect(page.wait_until("document.querySelectorAll('#plot circle').length > 0"), "no sync in the plot")

    problem = page.ask("return document.getElementById('problem-list').textContent")
    checks.expect(HOSTILE in problem, "hostile text is not shown as it is: " + problem)
    checks.expect(page.ask("return document.images.length") == 0, "hostile text became markup")
    checks.expect(page.ask("return document.title") == "viaduct on node-1", "a script of a record ran")

    page.type("#filter", "10.244.1.2")
    checks.expect(page.wait_until(ROWS + ".length === 2"), "filter by an endpoint's address: %s" % names(page))
    page.clear("#filter")
    page.type("#filter", "WEB:dns")
    checks.expect(page.wait_until(ROWS + ".length === 2 && %s[0].textContent.includes('web:dns')" % ROWS),
                  "filter by name: %s" % names(page))
    # Clearing a field tells nobody but the page's own listener of changes, like a person's deleting.
    page.type("#filter", "\ue003" * len("WEB:dns"))
    checks.expect(page.wait_until(ROWS + ".length === 4"), "without a filter: %s" % names(page))
    page.click("#states button[data-state=down]")
    checks.expect(page.wait_until(ROWS + ".length === 1"), "those without endpoints: %s" % names(page))
    page.click("#states button[data-state='']")
    checks.expect(page.wait_until(ROWS + ".length === 4"), "all again: %s" % names(page))

    daemon.write(lab.MANIFESTS + LATER_SERVICE)
    checks.expect(page.wait_until(ROWS + ".some(row => row.textContent.includes('shop/later'))"),
                  "a new service did not appear by itself: %s" % names(page))
    checks.expect(page.wait_until("document.getElementById('problems').hidden"), "a problem that is gone stays")
    asked = page.ask("return performance.getEntriesByType('resource').map(entry => new URL(entry.name).pathname)")
    checks.expect(set(asked) == {"/status.json"}, "the page loads %s" % set(asked))
    complaints = page.complaints(lab.METRICS)
    checks.expect(complaints == [], "the browser complains: %s" % complaints)


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--viaduct", required=True)
    args = ap.parse_args()
    if not browser.is_installed():
        print("skipped: needs chromium and chromedriver")
        sys.exit(lab.SKIPPED)
    lab.in_own_namespaces()
    checks = lab.Checks()
    with browser.Browser() as page:
        with lab.Daemon(args.viaduct, manifests=lab.MANIFESTS + BAD_SERVICE) as daemon:
            check_page(checks, page, daemon)
        checks.expect(page.wait_until("!document.getElementById('trouble').hidden"),
                      "the page does not say that the daemon is gone")
    checks.exit()


if __name__ == "__main__":
    main()
