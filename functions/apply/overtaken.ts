/** Another transaction came between reading and writing: what was decided no longer holds. Read again. */
export class Overtaken extends Error {}
