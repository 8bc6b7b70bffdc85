using Bursar.Core.Decisions;
using Bursar.Core.Text;
using Bursar.Operator.Api;

namespace Bursar.Operator.Budgets;

/// <summary>A budget object whose spec could be read: what it asks for, and whose work it is about.</summary>
public sealed record ReadBudget(V1Alpha1GpuBudget Object, BudgetTerms Terms, LabelSelector Selector, LabelSelector? Exempt)
{
    public string Namespace => Object.Metadata.Namespace ?? "";

    public string Name => Object.Metadata.Name;

    public string Uid => Object.Metadata.Uid;
}
