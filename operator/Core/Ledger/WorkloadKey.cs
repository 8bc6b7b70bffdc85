namespace Bursar.Core.Ledger;

/// <summary>The top owner of pods: the Job, the Deployment, or a bare pod itself.</summary>
public sealed record WorkloadKey(string Namespace, string Kind, string Name, string Uid);

/// <summary>What work is for; it decides how it may be stopped.</summary>
public enum WorkloadClass
{
    /// <summary>Ends by itself; may be suspended.</summary>
    Training,

    /// <summary>Serves; may be scaled.</summary>
    Inference,

    /// <summary>Somebody works in it: counted, never parked.</summary>
    Interactive,
}
