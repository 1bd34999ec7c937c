/**
 * The version of the join that this code runs. 1 knows register tables only, 2 lattice tables as well. Every region registers
 * what it runs, and a table takes a policy that needs more only when all of them have it. It is never lowered again.
 */
export const RESOLVER = 2;

const REGISTERS = 1;
const LATTICES = 2;

/** What a region's apply function must run before triggers of such a table may make versions. */
export const resolverNeeded = (isLattice: boolean): number => (isLattice ? LATTICES : REGISTERS);

/** What a region runs whose heartbeats do not say: they come from before resolvers were registered. */
export const FIRST_RESOLVER = REGISTERS;
