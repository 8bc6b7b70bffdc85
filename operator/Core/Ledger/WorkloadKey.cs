namespace Bursar.Core.Ledger;

/// <summary>The top owner of pods: the Job, the Deployment, or a bare pod itself.</summary>
/// <param name="Kind"><c>Job</c>, or with its group, such as <c>Job.batch.volcano.sh</c>, if Bursar knows another kind called Job.</param>
public sealed record WorkloadKey(string Namespace, string Kind, string Name, string Uid)
{
    /// <summary>
    /// Returns the kind and name, such as <c>Job/train</c>, with the namespace before it for a budget of several namespaces.
    /// </summary>
    /// <param name="budgetNamespace">The budget's namespace; empty for a ClusterGpuBudget.</param>
    public string DisplayName(string budgetNamespace) => budgetNamespace.Length > 0 ? $"{Kind}/{Name}" : $"{Namespace}/{Kind}/{Name}";

    /// <summary>Returns the kind as objects have it, without a group. No kind has a dot.</summary>
    public static string ObjectKindOf(string kind) => kind.IndexOf('.', StringComparison.Ordinal) is > 0 and var dot ? kind[..dot] : kind;
}

/// <summary>A reference to an object whose namespace is known from the context.</summary>
public sealed record ObjectRef(string ApiVersion, string Kind, string Name, string Uid);

/// <summary>
/// The purpose of a workload, which determines how it may be stopped. Training ends by itself and may be suspended, inference may be
/// scaled, interactive workloads are left alone.
/// </summary>
public enum WorkloadClass
{
    Training,
    Inference,
    Interactive,
}
