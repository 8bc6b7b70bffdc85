using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Text;

namespace Bursar.Operator.Suspension;

/// <summary>A budget object with its parsed spec.</summary>
/// <param name="Namespaces">The namespaces that it covers and that exist, in order.</param>
internal sealed record ReadBudget(
    BudgetObject Object,
    BudgetTerms Terms,
    LabelSelector Selector,
    LabelSelector? Exempt,
    IReadOnlyList<string> Namespaces
)
{
    /// <summary>Its own namespace; empty for a ClusterGpuBudget.</summary>
    public string Namespace => Object.Metadata.Namespace ?? "";

    public bool IsCluster => Object is V1Alpha1ClusterGpuBudget;

    public string Name => Object.Metadata.Name;

    public string Uid => Object.Metadata.Uid;

    /// <summary>Returns a limit inside this budget, whose exemptions and namespaces are those of the budget.</summary>
    public ReadBudget LimitOf(BudgetObject limit)
    {
        GpuBudgetReader.Read(limit, out var terms, out var selector, out _);
        return new(limit, terms!, selector, Exempt, Namespaces);
    }

    /// <summary>
    /// Returns those of the labels that the selector and the exemption depend on; null if there are none. The value is null for a label
    /// that is missing.
    /// </summary>
    public IReadOnlyDictionary<string, string?>? LabelsOf(IReadOnlyDictionary<string, string> labels)
    {
        var selected = new SortedDictionary<string, string?>(StringComparer.Ordinal);
        foreach (var key in Selector.Keys.Concat(Exempt?.Keys ?? []))
            selected[key] = labels.GetValueOrDefault(key);
        return selected.Count == 0 ? null : selected;
    }
}
