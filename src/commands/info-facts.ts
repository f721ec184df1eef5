/** Lines of a section of INFO, in order. */
export type InfoFacts = readonly (readonly [name: string, value: string | number])[]
