/** Units of the tables: megabytes are counted in 1024s, as settings and INFO do. */
export const MB = 1024 * 1024
