using Bursar.Core.Budgets;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>The budget's conditions, from the same figures as everything else.</summary>
public static class ConditionRules
{
    public static IReadOnlyList<ConditionValue> Judge(BudgetSnapshot budget, Balance balance, Plan plan, bool enforcing)
    {
        var currency = budget.Currency;
        var projected = balance.Projected;
        var parks = plan.Requests.Count + plan.Actions.Count(a => a.Kind == ActionKind.Park);
        var parked = budget.Workloads.Count(w => w.State == WorkloadState.Parked);
        var over = projected > balance.Limit || parks > 0;
        // What was parked at the limit keeps the state: stopping early left a few cents, not a budget on its way.
        var exhausted = LimitRule.IsReached(balance)
            || budget.Workloads.Any(w => w is { State: WorkloadState.Parked, Parked: { Reason: Reasons.BudgetExhausted } held } && held.WindowKey == budget.Window.Key && held.Limit >= balance.Limit);

        var conditions = new List<ConditionValue>
        {
            Ready(budget, balance, over, parked, exhausted, enforcing),
            balance.Spent < balance.Limit
                ? new("WithinBudget", true, Reasons.OnTrack, $"{Money(balance.Spent)} of {Money(balance.Limit)} {currency} is spent in {budget.Window.Key}.")
                : new("WithinBudget", false, Reasons.Exhausted, $"{Money(balance.Spent)} {currency} is spent in {budget.Window.Key}, the limit is {Money(balance.Limit)}."),
            balance.FloorExceedsLimit
                ? new("ProjectedWithinBudget", false, Reasons.FloorExceedsLimit, $"{Money(balance.Spent + balance.Floor)} {currency} is projected for inference that stays alone, {Money(balance.Limit)} is the limit.")
            : projected <= balance.Limit
                ? new("ProjectedWithinBudget", true, Reasons.OnTrack, $"{Money(projected)} {currency} is projected, {Money(balance.Limit)} is the limit; {parked} parked.")
                : new("ProjectedWithinBudget", false, Reasons.ProjectedOver, $"{Money(projected)} {currency} is projected, {Money(projected - balance.Limit)} over the limit."),
            balance.Unstoppable.Workloads.Count == 0
                ? new("FullyEnforceable", true, Reasons.AllParkable, "All running work can be parked.")
                : new("FullyEnforceable", false, Reasons.UnstoppableWork,
                    $"{balance.Unstoppable.RatePerHour}/h {currency} cannot be parked: {Names(balance.Unstoppable.Workloads)}."),
            budget.MeteringStale is { } stale
                ? new("MeteringFresh", false, Reasons.NodeLost, $"Forecasts pause: {stale}.")
                : Fresh(budget.Metering),
            budget.PricesUntrusted is { } doubt
                ? new("PricesTrusted", false, Reasons.PricesUntrusted, $"The last trusted prices go on and forecasts pause: {doubt}.")
            : budget is { UnpricedProducts.Count: 0, ChargedAsOnDemand.Count: > 0 }
                ? new("PricesTrusted", false, Reasons.ChargedAsOnDemand, PriceTrust.AsOnDemand(budget.ChargedAsOnDemand))
            : budget.UnpricedProducts.Count == 0
                ? new("PricesTrusted", true, Reasons.Priced, "Every GPU in use has a price.")
                : new("PricesTrusted", false, Reasons.Unpriced, $"No price matches {Names(budget.UnpricedProducts)}: that work is not counted and forecasts pause. Add a rate to the default GpuPriceBook{(budget.UnpricedProducts.Any(product => product.Contains('/')) ? ", or name the resource in the chart's gpuResources" : "")}."),
        };
        if (balance.FloorExceedsLimit)
            conditions.Add(new("FloorExceedsLimit", true, Reasons.FloorExceedsLimit,
                $"Inference that stays costs {Money(balance.Floor)} {currency} to the window's end, {Money(balance.Spent + balance.Floor - balance.Limit)} more than the limit leaves: new jobs are held, running ones are parked by the limit alone."));
        if (plan.BrakeApplied)
            conditions.Add(new("BrakeApplied", true, Reasons.BrakeApplied, "Too much of the cluster's work was parked by forecast within minutes. Run 'bursar continue' to go on."));
        if (plan.Contested.Count > 0)
            conditions.Add(new("Contested", true, Reasons.Contested, $"Someone else keeps resuming {Names(plan.Contested)}; Bursar tries again every 5 minutes."));
        return conditions;
    }

    /// <summary>Bills and forecasts need the API server's times alone, so who measures beside it does not make the metering stale.</summary>
    private static ConditionValue Fresh(MeteringView? by)
    {
        const string current = "The API server's times are current";
        if (by is null) return new("MeteringFresh", true, Reasons.Fresh, $"{current}.");
        var exporters = by.ByExporter.Count > 0 ? $"the dcgm-exporter on {by.ByExporter}" : null;
        var agents = by.ByAgent > 0 ? exporters is null && by.ByNobody.Count == 0 ? "the nodes' agents" : $"the agents of {by.ByAgent} node{(by.ByAgent == 1 ? "" : "s")}" : null;
        var both = string.Join(" and ", new[] { agents, exporters }.OfType<string>());
        var measured = both.Length == 0 ? "" : $"; busy time and energy are measured by {both}";
        return by.ByNobody.Count == 0
            ? new("MeteringFresh", true, Reasons.Fresh, $"{current}{measured}.")
            : new("MeteringFresh", true, Reasons.AgentMissing, $"{current}{measured}. On {by.ByNobody} no agent answers that sees the GPUs and no dcgm-exporter is read: work there is billed, and nobody measures what its GPUs do.");
    }

    /// <summary>Ready says whether the budget is being looked after; its reason is the state that kubectl shows.</summary>
    private static ConditionValue Ready(BudgetSnapshot budget, Balance balance, bool over, int parked, bool exhausted, bool enforcing)
    {
        if (budget.LedgerFault is { } fault)
            return new("Ready", false, Reasons.LedgerNotWritable, $"The ledger cannot be written, so nothing is suspended or resumed, and what is counted from now on may be lost: {fault}");
        if (budget.Terms.Window.Period == WindowPeriod.Once && budget.Now >= budget.Window.End)
            return new("Ready", true, Reasons.Expired, $"The window ended at {budget.Window.End.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}; nothing is admitted and nothing is parked.");
        if (budget.Terms.Window.Period == WindowPeriod.Once && budget.Now < budget.Window.Start)
            return new("Ready", true, Reasons.NotStarted, $"The window starts at {budget.Window.Start.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}.");
        if (budget is { ReleasedAt: not null, SwitchedToObserve: false, Terms.Mode: EnforcementMode.Enforce }) return new("Ready", true, Reasons.EnforcementReleased, Sentences.ReleasedByUser(budget));
        if (!enforcing) return new("Ready", true, Reasons.Observing, budget.SwitchedToObserve ? "The cluster's switch says observe: nothing is touched." : "Mode is Observe: nothing is touched.");
        if (exhausted) return new("Ready", true, Reasons.Exhausted, "The money of this window is spent; parkable work is parked.");
        if (balance.FloorExceedsLimit) return new("Ready", true, Reasons.FloorExceedsLimit, "Inference that stays costs more than is left: new jobs are held.");
        if (over) return new("Ready", true, Reasons.ProjectedOver, "Projected cost is over the limit: work that would overrun it is about to be parked.");
        return parked > 0
            ? new("Ready", true, Reasons.WorkSuspended, $"Spent and projected cost are within the limit, with {parked} parked.")
            : new("Ready", true, Reasons.OnTrack, "Spent and projected cost are within the limit.");
    }

    private static string Money(Amount amount) => amount.ToShortString();

    private static string Names(IReadOnlyCollection<string> names) =>
        string.Join(", ", names.Take(5)) + (names.Count > 5 ? $" and {names.Count - 5} more" : "");
}
