namespace Bursar.Core.Ledger;

/// <summary>The top owner of pods: the Job, the Deployment, or a bare pod itself.</summary>
public sealed record WorkloadKey(string Namespace, string Kind, string Name, string Uid);

/// <summary>An object in a namespace that is known from elsewhere.</summary>
public sealed record ObjectRef(string ApiVersion, string Kind, string Name, string Uid);

/// <summary>
/// What work is for; it decides how it may be stopped: what trains ends by itself and may be suspended, what serves may be scaled, and what
/// somebody works in is left alone.
/// </summary>
public enum WorkClass
{
    Training,
    Inference,
    Interactive,
}
