/** How often a property is tried: `usual`, or what CAIRN_FC_RUNS asks of every property. */
export const propertyRuns = (usual: number): number => Number(process.env.CAIRN_FC_RUNS) || usual
