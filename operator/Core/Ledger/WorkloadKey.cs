namespace Bursar.Core.Ledger;
public sealed record WorkloadKey(string Namespace, string Kind, string Name, string Uid);
