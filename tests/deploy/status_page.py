#!/usr/bin/python3
"""The status page in a real browser: shows what is forwarded and its traffic, filters, follows changes
by itself, says when the daemon is gone, and shows hostile text of records as text."""
import argparse
import socket
import subprocess
import sys
import threading

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


# The cell of a column in the row of shop/web:NAME over IPv4, as text.
CELL = ROWS + ".find(row => row.cells[0].textContent === 'shop/web:%s' && row.cells[2].textContent.includes('IPv4')).cells[%d]"
CONNECTIONS, BYTES, ENDPOINTS = 5, 6, 7


def cell(page, name, column):
    return page.ask("return %s.innerText" % (CELL % (name, column)))


def check_iptables_traffic(checks, page):
    """Datagrams of the node's own, each a flow, to endpoints that are addresses of the node as well."""
    checks.expect(cell(page, "dns", CONNECTIONS) == "0", "before: " + cell(page, "dns", CONNECTIONS))
    checks.expect(cell(page, "dns", BYTES) == "- / -", "bytes that are not known: " + cell(page, "dns", BYTES))
    for _ in range(5):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"anybody?", ("10.96.0.7", 53))
    checks.expect(page.wait_until("%s.textContent.startsWith('5')" % (CELL % ("dns", CONNECTIONS))),
                  "five flows: " + cell(page, "dns", CONNECTIONS))
    checks.expect(page.wait_until("%s.textContent === '5'" % (CELL % ("dns", CONNECTIONS))),
                  "the rate of what is over stays: " + cell(page, "dns", CONNECTIONS))
    page.ask("%s.parentElement.click()" % (CELL % ("dns", CONNECTIONS)))
    lines = "[...%s.querySelectorAll('.inner tr')]" % (CELL % ("dns", ENDPOINTS))
    checks.expect(page.wait_until(lines + ".length === 2"), "a line for each endpoint")
    told = page.ask("return %s.map(line => [...line.cells].map(cell => cell.textContent))" % lines)
    checks.expect([line[0] for line in told] == ["10.244.0.2:5353", "10.244.1.2:5353"], "endpoints: %s" % told)
    checks.expect(sum(int(line[1].split()[0]) for line in told) == 5, "flows of endpoints: %s" % told)
    checks.expect(all(line[2] == "- / -" for line in told), "bytes of endpoints: %s" % told)
    page.ask("%s.parentElement.click()" % (CELL % ("dns", CONNECTIONS)))
    checks.expect(page.wait_until(lines + ".length === 0"), "a second click does not close it")


def answer_one(listener):
    connection, _ = listener.accept()
    with connection:
        while connection.recv(4096):
            pass
        connection.sendall(b"a" * 2500)


def check_userspace_traffic(checks, page):
    """One connection through a proxy that sees every byte; one of its two endpoints does not listen."""
    with socket.create_server(("10.244.0.2", 8080)) as listener:
        answer = threading.Thread(target=answer_one, args=(listener,))
        answer.start()
        with socket.create_connection(("10.96.0.7", 80)) as client:
            client.sendall(b"q" * 700)
            client.shutdown(socket.SHUT_WR)
            got = b"".join(iter(lambda: client.recv(4096), b""))
        answer.join()
    checks.expect(len(got) == 2500, "answered: %d bytes" % len(got))
    page.open(lab.METRICS + "/status")
    checks.expect(page.wait_until("document.body.dataset.ready"), "the page never showed anything")
    checks.expect(page.wait_until("%s.textContent === '1'" % (CELL % ("http", CONNECTIONS))),
                  "one connection: " + cell(page, "http", CONNECTIONS))
    checks.expect(cell(page, "http", BYTES) == "700 B / 2.5 kB", "bytes: " + cell(page, "http", BYTES))
    try:
        with socket.create_connection(("10.96.0.7", 80)) as client:  # nobody listens any more
            client.recv(1)
    except ConnectionError:
        pass
    checks.expect(page.wait_until("%s.textContent.includes('1 refused')" % (CELL % ("http", CONNECTIONS))),
                  "one refused: " + cell(page, "http", CONNECTIONS))
    checks.expect(page.complaints(lab.METRICS) == [], "the browser complains")


def check_page(checks, page, daemon):
    page.open(lab.METRICS + "/status")
    checks.expect(page.wait_until("document.body.dataset.ready"), "the page never showed anything")
    checks.expect(len(names(page)) == 4, "rows: %s" % names(page))
    for element, text in (("node", "node-1"), ("mode", "iptables"), ("health", "Healthy"), ("ports", "4")):
        shown = page.ask("return document.getElementById('%s').textContent" % element)
        checks.expect(shown == text, "%s: %s" % (element, shown))
    checks.expect(page.wait_until("document.querySelectorAll('#plot circle').length > 0"), "no sync in the plot")

    check_iptables_traffic(checks, page)

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
    for address in ("10.96.0.7", "10.244.0.2", "10.244.1.2"):
        subprocess.run(["ip", "addr", "add", address + "/32", "dev", "lo"], check=True)
    checks = lab.Checks()
    with browser.Browser() as page:
        with lab.Daemon(args.viaduct, manifests=lab.MANIFESTS + BAD_SERVICE) as daemon:
            check_page(checks, page, daemon)
        checks.expect(page.wait_until("!document.getElementById('trouble').hidden"),
                      "the page does not say that the daemon is gone")
        subprocess.run([args.viaduct, "cleanup"], check=True)  # whose rules would forward all the same
        page.complaints(lab.METRICS)  # about the daemon that was gone
        with lab.Daemon(args.viaduct, "--proxy-mode=userspace", "--userspace-listen=direct"):
            check_userspace_traffic(checks, page)
    checks.exit()


if __name__ == "__main__":
    main()
