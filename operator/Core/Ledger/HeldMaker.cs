namespace Bursar.Core.Ledger;

/// <summary>
/// What makes runs again and again (a CronJob), and was suspended because one of its runs is parked. It is given back with the last
/// of its parked runs.
/// </summary>
/// <param name="Original">Its switch before, as JSON; <c>null</c> where it was absent.</param>
public sealed record HeldMaker(string Kind, string Name, string Uid, string Original);
