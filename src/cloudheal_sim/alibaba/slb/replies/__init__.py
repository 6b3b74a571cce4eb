"""Wire out: replies of the SLB calls, one module per family. Instants are written to the minute, as SLB does."""
