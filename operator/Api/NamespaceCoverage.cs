using Bursar.Core.Text;

namespace Bursar.Api;

/// <summary>The namespaces that a ClusterGpuBudget covers.</summary>
/// <param name="Names">Namespaces by name. They need not exist.</param>
/// <param name="Selector">Matches the labels of further namespaces; null for none.</param>
public sealed record NamespaceCoverage(IReadOnlySet<string> Names, LabelSelector? Selector)
{
    /// <summary>Namespaces of Kubernetes itself, which a selector does not match.</summary>
    private static readonly HashSet<string> OfKubernetes = new(StringComparer.Ordinal) { "kube-system", "kube-public", "kube-node-lease" };

    /// <param name="name">The name of a namespace.</param>
    /// <param name="labels">Its labels; null if it does not exist.</param>
    /// <param name="isOwn">Whether it is one of Bursar's own namespaces, which a selector does not match.</param>
    public bool Covers(string name, IReadOnlyDictionary<string, string>? labels, bool isOwn) =>
        Names.Contains(name)
        || Selector is not null && labels is not null && !isOwn && !OfKubernetes.Contains(name) && Selector.Matches(labels);
}
