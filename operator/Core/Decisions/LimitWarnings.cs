using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// Announces that a budget will run out, before it does: as soon as the projection passes the limit (<c>AtRisk</c>), and again
/// <see cref="Lead"/> before work is suspended (<c>WillSuspend</c>). Repeats, with growing pauses, that a budget is overspent
/// (<c>Overspent</c>).
/// </summary>
public static class LimitWarnings
{
    /// <summary>The second announcement comes this long before the suspension.</summary>
    public static readonly TimeSpan Lead = TimeSpan.FromHours(1);

    /// <summary>An overspend is reported again when its sum has doubled, but not sooner than this.</summary>
    public static readonly TimeSpan LeastPause = TimeSpan.FromMinutes(5);

    /// <summary>An overspend is reported again at least this often.</summary>
    public static readonly TimeSpan LongestPause = TimeSpan.FromHours(6);

    private const string Risk = "risk";
    private const string Soon = "soon";

    /// <summary>A projection must fall this many percent of the limit below it before a new excess is news.</summary>
    private const int Rearm = 5;

    /// <summary>More workloads than this do not get an Event of their own.</summary>
    private const int MostWorkloads = 20;

    public static IReadOnlyList<Announcement> Announce(BudgetSnapshot budget, Balance balance, Outlook outlook, bool exhausted, Amount overspent, IReadOnlyList<ChargedWork> runsOn, ref BudgetMemory memory)
    {
        var announcements = new List<Announcement>();
        var told = new SortedSet<string>(memory.Announced, StringComparer.Ordinal);
        if (exhausted || outlook.RunsOutAt is null)
        {
            if (exhausted || outlook.Projected < balance.Limit - balance.Limit.Percent(Rearm)) told.RemoveWhere(one => one is Risk or Soon);
        }
        else
        {
            var key = $"{budget.Window.Key}/{balance.Limit}";
            // In Observe mode nothing is written on the work, not even an Event.
            WorkloadKey[] about = budget.Observes ? [] : [.. outlook.Suspends.Select(item => item.Work.Key).Take(MostWorkloads)];
            if (told.Add(Risk)) announcements.Add(new(Reasons.AtRisk, $"{key}/{Risk}", Sentences.AtRisk(budget, balance, outlook), Warning: true) { About = about });
            if (outlook.SuspendsAt is not { } at || at - budget.Now > Lead + Lead) told.Remove(Soon);
            else if (at - budget.Now <= Lead && told.Add(Soon))
                announcements.Add(new(Reasons.WillSuspend, $"{key}/{Soon}", Sentences.WillSuspendAtLimit(budget, balance, outlook), Warning: true) { About = about });
        }
        if (!told.SetEquals(memory.Announced)) memory = memory with { Announced = [.. told] };

        if (overspent <= Amount.Zero)
        {
            if (memory.Overspent is not null) memory = memory with { Overspent = null };
        }
        else if (memory.Overspent is not { } last || budget.Now - last.At >= LongestPause || budget.Now - last.At >= LeastPause && overspent >= last.Sum + last.Sum)
        {
            memory = memory with { Overspent = new(budget.Now, overspent) };
            announcements.Add(new(Reasons.Overspent, $"{budget.Window.Key}/{budget.Now.ToUnixTimeSeconds()}", Sentences.Overspent(budget, balance, overspent, runsOn), Warning: true)
            {
                About = budget.Observes ? [] : [.. runsOn.OrderByDescending(item => item.Work.BurnRate).Select(item => item.Work.Key).Take(MostWorkloads)],
            });
        }
        return announcements;
    }
}
