using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Text;

namespace Bursar.Operator.Suspension;

/// <summary>A budget object whose spec could be read: what it asks for, and whose work it is about.</summary>
internal sealed record ReadBudget(V1Alpha1GpuBudget Object, BudgetTerms Terms, LabelSelector Selector, LabelSelector? Exempt)
{
    public string Namespace => Object.Metadata.Namespace ?? "";

    public string Name => Object.Metadata.Name;

    public string Uid => Object.Metadata.Uid;

    /// <summary>
    /// Of these labels, those that say whether the work is this budget's, and whether it is exempt; null where nothing is asked.
    /// </summary>
    public IReadOnlyDictionary<string, string?>? Asked(IReadOnlyDictionary<string, string> labels)
    {
        var asked = new SortedDictionary<string, string?>(StringComparer.Ordinal);
        foreach (var key in Selector.Keys.Concat(Exempt?.Keys ?? []))
            asked[key] = labels.GetValueOrDefault(key);
        return asked.Count == 0 ? null : asked;
    }
}
