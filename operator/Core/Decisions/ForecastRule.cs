using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// The forecast: spent + what all work still costs ≤ limit. A shortfall is charged first to new jobs that were never
/// admitted, then to what grew (work of unknown length, then jobs above the reservation they were admitted with), and
/// only then by priority and age; victims that turn out not to be needed are struck from the list.
/// </summary>
public static class ForecastRule
{
    public static void Apply(Plan plan, IReadOnlyList<ChargedWork> work, ref BudgetMemory memory)
    {
        var budget = plan.Budget;
        var balance = plan.Balance;
        // The parking of others by the limit test has already freed everything; there is nothing left to forecast.
        if (LimitRule.IsReached(balance)) return;

        var jobs = work.Where(w => w.Work.Class == WorkClass.Training && w.Work.State is (WorkloadState.Running or WorkloadState.Pending) && !plan.IsParking(w)).ToArray();
        var pause = PauseReason(budget, balance);
        if (pause is not null)
        {
            foreach (var item in jobs) plan.Keep(item, Reasons.ForecastPaused, pause);
            return;
        }

        var claims = jobs.Where(w => !Balance.Lends(w.Work, budget)).ToArray();
        var needed = balance.Spent + balance.Floor + Sum(claims);
        var shortfall = needed - balance.Allowed;
        if (shortfall > Amount.Zero)
        {
            var remembered = memory;
            var candidates = claims.Where(w => w.Parkable && !IsAlmostDone(w, budget)).ToArray();
            var settling = candidates.Where(w => Remembering.IsSettling(w.Work, remembered, budget.Now)).ToArray();
            var victims = Choose(candidates.Except(settling), shortfall, remembered);
            foreach (var victim in victims)
                plan.Park(victim, Why(victim, remembered), Sentences.Overrun(victim, budget, balance, needed), byForecast: true, remembered);
            if (Sum(victims) < shortfall && settling.Length > 0)
            {
                foreach (var item in settling) plan.Keep(item, Reasons.Settling, Sentences.Settling(item, budget, remembered));
                plan.Warn(Reasons.WillSuspend, $"{budget.Window.Key}/{remembered.SettleFrom:O}", Sentences.WillSuspend(settling, budget, balance, needed, remembered));
            }
        }

        memory = Admit(plan, jobs, memory);
    }

    /// <summary>Why forecasts do not park right now; the limit itself still holds.</summary>
    public static string? PauseReason(BudgetSnapshot budget, Balance balance) =>
        budget.MeteringStale is { } stale ? $"Forecasts pause: {stale}."
        : balance.FloorExceedsLimit ? "Forecasts pause: the inference floor alone exceeds the limit, so only the limit itself parks."
        : null;

    private static string Why(ChargedWork victim, BudgetMemory memory) =>
        victim.Work.Parked is not null ? Reasons.ParkedAgain
        : memory.Admitted.ContainsKey(victim.Work.Key.Uid) ? Reasons.ProjectedOverBudget
        : victim.Work.BurnRate > Rate.Zero ? Reasons.ProjectedOverBudget
        : Reasons.DoesNotFit;

    private static List<ChargedWork> Choose(IEnumerable<ChargedWork> candidates, Amount shortfall, BudgetMemory memory)
    {
        var chosen = new List<ChargedWork>();
        var freed = Amount.Zero;
        foreach (var item in candidates
            .OrderBy(w => Turn(w, memory))
            .ThenBy(w => w.Work.Priority).ThenBy(w => w.Work.PriorityWithin)
            .ThenByDescending(w => w.Work.CreatedAt)
            .ThenBy(w => w.Work.Key.Name, StringComparer.Ordinal).ThenBy(w => w.Work.Key.Uid, StringComparer.Ordinal))
        {
            if (freed >= shortfall) break;
            chosen.Add(item);
            freed += item.Charge.Tested;
        }
        for (var i = 0; i < chosen.Count;)
        {
            var without = freed - chosen[i].Charge.Tested;
            if (without >= shortfall)
            {
                freed = without;
                chosen.RemoveAt(i);
            }
            else i++;
        }
        return chosen;
    }

    /// <summary>0: never admitted, 1: of unknown length, 2: grown above its reservation, 3: inside it.</summary>
    private static int Turn(ChargedWork item, BudgetMemory memory) =>
        !memory.Admitted.TryGetValue(item.Work.Key.Uid, out var admission) ? 0
        : !item.Charge.KnownLength ? 1
        : item.Work.Spent - admission.SpentBefore + item.Charge.Tested > admission.Reserved ? 2
        : 3;

    /// <summary>Stopping a job that is done before its stop would be saves nothing and loses its work.</summary>
    private static bool IsAlmostDone(ChargedWork item, BudgetSnapshot budget) =>
        item.Charge.KnownLength && item.Work.State == WorkloadState.Running && item.Work.Estimate.High < Charge.StopTime(item.Work, budget);

    private static BudgetMemory Admit(Plan plan, IReadOnlyList<ChargedWork> jobs, BudgetMemory memory)
    {
        var fresh = jobs.Where(w => !plan.IsParking(w) && !memory.Admitted.ContainsKey(w.Work.Key.Uid)).ToArray();
        if (fresh.Length == 0) return memory;
        var admitted = memory.Admitted.Concat(fresh.Select(w => KeyValuePair.Create(w.Work.Key.Uid, new Admission(w.Charge.Mid, w.Work.Spent, plan.Budget.Now))));
        return memory with { Admitted = admitted.ToSorted() };
    }

    private static Amount Sum(IEnumerable<ChargedWork> work) => work.Aggregate(Amount.Zero, (sum, w) => sum + w.Charge.Tested);
}
