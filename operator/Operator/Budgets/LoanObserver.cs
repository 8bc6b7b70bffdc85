using Bursar.Api;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.State;
using Bursar.Core.Text;
using Bursar.Operator.Cluster;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Budgets;

/// <summary>
/// Finds what other budgets could lend to a budget. Both must be under one ClusterGpuBudget, which selects all workloads of both and keeps its own
/// limit, and must have the same window and no workload in common.
/// </summary>
internal sealed class LoanObserver(ClusterStores stores, OperatorState state, DecisionStore decisions)
{
    /// <summary>
    /// Returns the offers to a budget, in order of the lenders' names, and a refusal for each budget that has <c>spec.lending</c> and lends
    /// nothing. What a budget has lent since its latest decision is subtracted.
    /// </summary>
    public IReadOnlyList<LoanOffer> OffersTo(ReadBudget budget, BudgetSnapshot snapshot)
    {
        var coverage = stores.Coverage;
        var own = coverage.NamespacesOf(budget.Object);
        var parents =
            own.Count == 0 ? [] : coverage.Over(own[0]).Where(parent => Selects(parent, budget.Object, own, budget.Selector)).ToArray();
        if (parents.Length == 0)
            return [new("", "", Amount.Zero, LoanMessages.NoCommonBudget)];
        var offers = new List<LoanOffer>();
        foreach (
            var other in parents
                .SelectMany(coverage.NamespacesOf)
                .Distinct(StringComparer.Ordinal)
                .SelectMany(coverage.In)
                .Distinct()
                .Where(other => other.Metadata.Uid != budget.Uid && other.BudgetSpec?.Lending is not null)
                .OrderBy(NameOf, StringComparer.Ordinal)
        )
        {
            var namespaces = coverage.NamespacesOf(other);
            if (
                GpuBudgetReader.Read(other, out var terms, out var selector, out _).Count > 0
                || terms!.LendingLimit is not { } limit
                || !parents.Any(parent => Selects(parent, other, namespaces, selector))
            )
                continue;
            if (decisions.Get(other) is not { } decision)
                continue;
            var (amount, refusal) =
                namespaces.Intersect(own, StringComparer.Ordinal).Any() && !selector.Excludes(budget.Selector)
                    ? (Amount.Zero, LoanMessages.SharesWorkloads)
                : Window.At(terms.Window, snapshot.Now) != snapshot.Window || decision.WindowStart != snapshot.Window.Start
                    ? (Amount.Zero, LoanMessages.OtherWindow)
                : decision.Currency != snapshot.Currency ? (Amount.Zero, LoanMessages.OtherCurrency(decision.Currency))
                : decisions.IsOutdated(other) || state.BudgetMemory(other.Metadata.Uid).SpecGeneration != other.SpecGeneration
                    ? (Amount.Zero, LoanMessages.NotEvaluated)
                : OfferOf(other.Metadata.Uid, limit, decision, snapshot);
            offers.Add(new(other.Metadata.Uid, NameOf(other), amount, refusal));
        }
        return offers;
    }

    /// <summary>
    /// Returns what a budget lends at most: what its workloads do not need, without grants, which are given to this budget alone.
    /// </summary>
    private (Amount Amount, string? Refusal) OfferOf(string uid, Amount limit, BudgetDecision decision, BudgetSnapshot snapshot)
    {
        LoanRecord[] loans =
        [
            .. state
                .LoansIn(uid, snapshot.Window.Start, snapshot.Window.End)
                .Where(loan => LoanBook.Counts(loan, snapshot.Terms.Counted.Unit)),
        ];
        // A chain of loans could lead back to its beginning.
        if (LoanBook.Borrowed(loans, uid) > Amount.Zero)
            return (Amount.Zero, LoanMessages.Borrows);
        // They may resume in the lender's next passes, and a loan is not recalled.
        if (decision.Workloads.Any(work => work.State == WorkloadState.SuspendedByBudget))
            return (Amount.Zero, LoanMessages.HasWaiting);
        var lent = LoanBook.Lent(loans, uid);
        var free = decision.Limit - decision.Granted - decision.Committed - (lent - LoanBook.Lent(decision.Loans, uid));
        var amount = Amount.Min(limit - lent, free);
        return amount > Amount.Zero ? (amount, null) : (Amount.Zero, LoanMessages.NothingLeft);
    }

    /// <summary>Whether a ClusterGpuBudget limits every workload that a budget selects. One that only observes limits none.</summary>
    private bool Selects(V1Alpha1ClusterGpuBudget parent, BudgetObject budget, IReadOnlyList<string> namespaces, LabelSelector selector) =>
        parent.Metadata.Uid != budget.Metadata.Uid
        && GpuBudgetReader.Read(parent, out var terms, out var above, out _).Count == 0
        && terms!.Mode == EnforcementMode.Enforce
        && stores.Coverage.CoversAll(parent, namespaces)
        && selector.IsWithin(above);

    private static string NameOf(BudgetObject budget) =>
        budget.Metadata.Namespace is { Length: > 0 } ns ? $"{ns}/{budget.Metadata.Name}" : budget.Metadata.Name;
}
