namespace Bursar.Core.Ledger;

/// <summary>The top owner of pods: the Job, the Deployment, or a bare pod itself.</summary>
/// <param name="Namespace">Its namespace.</param>
/// <param name="Kind"><c>Job</c>, or with its group, as <c>Job.batch.volcano.sh</c>, if Bursar knows another kind called Job.</param>
/// <param name="Name">Its name.</param>
/// <param name="Uid">Its UID.</param>
public sealed record WorkloadKey(string Namespace, string Kind, string Name, string Uid)
{
    /// <summary>Returns the kind as objects have it, without a group. No kind has a dot.</summary>
    public static string ObjectKindOf(string kind) => kind.IndexOf('.', StringComparison.Ordinal) is > 0 and var dot ? kind[..dot] : kind;
}

/// <summary>An object in a namespace that is known from elsewhere.</summary>
public sealed record ObjectRef(string ApiVersion, string Kind, string Name, string Uid);

/// <summary>
/// What work is for; it decides how it may be stopped: what trains ends by itself and may be suspended, what serves may be scaled, and what
/// somebody works in is left alone.
/// </summary>
public enum WorkloadClass
{
    Training,
    Inference,
    Interactive,
}
