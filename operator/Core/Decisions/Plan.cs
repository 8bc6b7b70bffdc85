using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>The decision while it is being made: what the rules have said so far, at most one word a workload.</summary>
public sealed class Plan(BudgetSnapshot budget, Balance balance)
{
    private readonly Dictionary<string, (string Reason, string Sentence)> _found = new(StringComparer.Ordinal);
    private readonly List<BudgetAction> _actions = [];
    private readonly List<Announcement> _warnings = [];

    public BudgetSnapshot Budget => budget;

    public Balance Balance => balance;

    public IReadOnlyList<BudgetAction> Actions => _actions;

    public IReadOnlyList<Announcement> Warnings => _warnings;

    public bool BrakeApplied { get; private set; }

    public List<string> Contested { get; } = [];

    public bool IsDecided(ChargedWork item) => _found.ContainsKey(item.Work.Key.Uid);

    public bool IsParking(ChargedWork item) => _actions.Any(a => a.Kind == ActionKind.Park && a.Workload.Uid == item.Work.Key.Uid);

    public void Keep(ChargedWork item, string reason, string sentence) => _found.TryAdd(item.Work.Key.Uid, (reason, sentence));

    public void KeepAll(IEnumerable<ChargedWork> work, string reason)
    {
        foreach (var item in work) Keep(item, reason, Sentences.Kept(item, reason, budget));
    }

    public void Park(ChargedWork item, string reason, string sentence, bool byForecast, BudgetMemory memory)
    {
        if (IsDecided(item)) return;
        if (item.Work.Parked is { Undone.Count: >= 2 } fought)
        {
            Contested.Add($"{item.Work.Key.Kind}/{item.Work.Key.Name}");
            if (budget.Now - fought.Undone[^1] < TimeSpan.FromMinutes(5))
            {
                Keep(item, Reasons.Contested, "Someone else keeps resuming it; Bursar tries again every 5 minutes.");
                return;
            }
        }
        if (byForecast && _actions.Count(a => a is { Kind: ActionKind.Park, ByForecast: true }) >= budget.BrakeAllowance)
        {
            BrakeApplied = true;
            Keep(item, Reasons.BrakeApplied, "It would be parked by forecast, but too much of the cluster's work was parked within minutes: run 'bursar continue' to go on.");
            return;
        }
        _found[item.Work.Key.Uid] = (reason, sentence);
        _actions.Add(new()
        {
            Kind = ActionKind.Park,
            Workload = item.Work.Key,
            Class = item.Work.Class,
            Reason = reason,
            Sentence = sentence,
            CostToFinish = item.Charge.Mid,
            ByForecast = byForecast,
            Parked = new()
            {
                // Since stays the first parking's: the age order of a resume must not be lost to whoever undoes it.
                Since = item.Work.Parked?.Since ?? budget.Now,
                Reason = reason,
                WindowKey = budget.Window.Key,
                Limit = balance.Limit,
                Freed = memory.Freed,
                Undone = item.Work.Parked?.Undone ?? [],
            },
        });
    }

    public void Resume(ChargedWork item, string reason, string sentence)
    {
        _found[item.Work.Key.Uid] = (reason, sentence);
        _actions.Add(new()
        {
            Kind = ActionKind.Resume,
            Workload = item.Work.Key,
            Class = item.Work.Class,
            Reason = reason,
            Sentence = sentence,
            CostToFinish = item.Charge.Mid,
        });
    }

    public void Warn(string reason, string key, string sentence) => _warnings.Add(new(reason, key, sentence, Warning: true));

    public IReadOnlyList<WorkloadVerdict> Verdicts(IEnumerable<ChargedWork> work) =>
        work.Select(item =>
        {
            var (reason, sentence) = _found.TryGetValue(item.Work.Key.Uid, out var found) ? found : (Reasons.Fits, Sentences.Kept(item, Reasons.Fits, budget));
            var counts = item.Work.State is WorkloadState.Running or WorkloadState.Pending;
            return new WorkloadVerdict
            {
                Key = item.Work.Key,
                Class = item.Work.Class,
                State = item.Work.State,
                Gpus = item.Work.Gpus,
                Rate = item.Work.Rate,
                Spent = item.Work.Spent,
                CostToFinish = item.Charge.Mid,
                Projected = counts ? item.Work.Spent + item.Charge.Mid : item.Work.Spent,
                Estimate = item.Work.Estimate,
                Reason = reason,
                Sentence = sentence,
            };
        }).ToArray();
}
