namespace Bursar.Core.Ledger;

/// <summary>The top owner of pods: the Job, the Deployment, or a bare pod itself.</summary>
public sealed record WorkloadKey(string Namespace, string Kind, string Name, string Uid);
