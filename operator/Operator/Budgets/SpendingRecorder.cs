using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Bursar.Api;
using Bursar.Core.Budgets;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.State;
using Bursar.Core.Text;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Budgets;

/// <summary>
/// Records the spending of each budget by day, or by hour for windows of up to two days, and fits the model that its forecast uses. Both
/// happen once per day or hour, since the ledger is read for that. The history is stored with the budget, because the ledger's daily sums
/// have no labels. Thread-safe.
/// </summary>
internal sealed class SpendingRecorder(GpuLedger ledger, OperatorState state, TimeProvider time)
{
    private static readonly TimeSpan LongestHourly = TimeSpan.FromDays(2);

    /// <summary>The end of a pod is observed a little later.</summary>
    private static readonly TimeSpan Delay = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<string, (SpendingHistory History, Window Window, SpendingModel? Model)> _fitted = new(
        StringComparer.Ordinal
    );

    /// <summary>Records what has become complete. Returns the model for the current window; null without one or with too little history.</summary>
    public SpendingModel? ModelOf(ReadBudget budget)
    {
        var (now, spec) = (time.GetUtcNow(), budget.Terms.Window);
        if (spec.Period == WindowPeriod.Rolling)
            return null;
        var window = Window.At(spec, now);
        if (!window.Contains(now) || Update(budget, window, now) is not { } history)
            return null;
        if (_fitted.TryGetValue(budget.Uid, out var known) && ReferenceEquals(known.History, history) && known.Window == window)
            return known.Model;
        var model = SpendingModel.Fit(history, history.End - window.Start, window.End - history.End);
        _fitted[budget.Uid] = (history, window, model);
        return model;
    }

    public void Forget(string budgetUid) => _fitted.TryRemove(budgetUid, out _);

    private SpendingHistory? Update(ReadBudget budget, Window window, DateTimeOffset now)
    {
        var known = state.Spending(budget.Uid);
        var step = window.Length <= LongestHourly ? TimeSpan.FromHours(1) : TimeSpan.FromDays(1);
        // Until the next step is complete, nothing else is computed.
        if (known is not null && known.Step == step && now - known.End < step && known.End <= now)
            return known;
        if (ledger.DetailSince is not { } since)
            return null;
        var scope = ScopeOf(budget);
        if (known is not null && (known.Step != step || known.Scope != scope || known.End < since || known.End > now))
            known = null;

        var steps = new WindowSpec(step == TimeSpan.FromDays(1) ? WindowPeriod.Day : WindowPeriod.Hour, budget.Terms.Window.TimeZone);
        var times = new List<DateTimeOffset> { known?.End ?? First(steps, since, now - SpendingHistory.Kept * step) };
        while (Window.At(steps, times[^1]).End is var next && next <= now - Delay)
            times.Add(next);
        if (times.Count == 1)
            return known;
        var sums = new Amount[times.Count - 1];
        foreach (var ns in budget.Namespaces)
        {
            var spent = ledger.SpentBetween(ns, budget.Selector, times, now, budget.Terms.Counted);
            for (var i = 0; i < sums.Length; i++)
                sums[i] += spent[i];
        }
        var history = new SpendingHistory(scope, step, times[^1], [.. (known?.Amounts ?? []).Concat(sums).TakeLast(SpendingHistory.Kept)]);
        state.RecordSpending(budget.Namespace, budget.Name, budget.Uid, history);
        return history;
    }

    /// <summary>Returns the beginning of the first whole step that the ledger has facts of.</summary>
    private static DateTimeOffset First(WindowSpec steps, DateTimeOffset since, DateTimeOffset earliest)
    {
        var from = since > earliest ? since : earliest;
        var first = Window.At(steps, from);
        return first.Start < from ? first.End : first.Start;
    }

    /// <summary>Identifies what a budget counts. A changed selector or unit begins a new history.</summary>
    private static string ScopeOf(ReadBudget budget)
    {
        var text = new StringBuilder();
        if (budget.Terms.Counted.Unit != UsageUnit.Cost)
            text.Append(budget.Terms.Counted.Unit).Append('|');
        Add(budget.Selector);
        if (GpuBudgetReader.CoverageOf(budget.Object) is { } coverage)
        {
            text.AppendJoin(',', coverage.Names.Order(StringComparer.Ordinal));
            if (coverage.Selector is { } selector)
                Add(selector);
        }
        return Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())))[..16];

        void Add(LabelSelector selector)
        {
            foreach (var (key, value) in selector.MatchLabels.OrderBy(label => label.Key, StringComparer.Ordinal))
                text.Append(key).Append('=').Append(value).Append(';');
            foreach (var requirement in selector.MatchExpressions)
                text.Append(requirement.Key)
                    .Append(' ')
                    .Append(requirement.Operator)
                    .Append(' ')
                    .AppendJoin(',', requirement.Values)
                    .Append(';');
            text.Append('|');
        }
    }
}
