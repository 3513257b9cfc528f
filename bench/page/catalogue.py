"""All benches, in the order of the page."""
from . import dns, kernel, records, userspace

BENCHES = kernel.BENCHES + userspace.BENCHES + dns.BENCHES + records.BENCHES
BY_NAME = {bench.name: bench for bench in BENCHES}
