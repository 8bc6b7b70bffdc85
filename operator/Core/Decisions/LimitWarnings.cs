using System.Globalization;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// Announces that a budget will run out: as soon as the projection passes the limit (<c>AtRisk</c>), and again <see cref="Lead"/> before
/// workloads are suspended (<c>WillSuspend</c>). Announces jobs that fit only at their likely cost (<c>AtRisk</c>), and workloads that the
/// next window does not cover (<c>WillSuspend</c>). Repeats, with growing pauses, that a budget is overspent (<c>Overspent</c>).
/// </summary>
internal static class LimitWarnings
{
    /// <summary>The second announcement comes this long before the suspension.</summary>
    public static readonly TimeSpan Lead = TimeSpan.FromHours(1);

    /// <summary>
    /// The second announcement is repeated if its time moves by this much, or is sooner by a quarter of the remaining time.
    /// </summary>
    public static readonly TimeSpan Shift = TimeSpan.FromMinutes(15);

    /// <summary>The smallest move that is announced.</summary>
    private static readonly TimeSpan LeastShift = TimeSpan.FromMinutes(5);

    /// <summary>An overspend is reported again when its amount has doubled, but not sooner than this.</summary>
    public static readonly TimeSpan LeastPause = TimeSpan.FromMinutes(5);

    /// <summary>An overspend is reported again at least this often.</summary>
    public static readonly TimeSpan LongestPause = TimeSpan.FromHours(6);

    // Prefixes of entries in the memory: the limit of the last AtRisk, the time in the last WillSuspend, workloads named by either, by a
    // WillSuspend, and by a WillSuspend for the next window.
    private const string Risk = "risk:";
    private const string Soon = "soon:";
    private const string Named = "named:";
    private const string Near = "near:";
    private const string NamedForNext = "next:";

    /// <summary>The projection must fall this many percent of the limit below it before a new excess is announced.</summary>
    private const int RearmPercent = 5;

    /// <summary>Further workloads get no Event of their own.</summary>
    private const int MostWorkloads = GrowthRisk.MostWorkloads;

    /// <summary>Names each workload once, when the forecast first suspends it at the beginning of the next window.</summary>
    public static void AnnounceNextWindow(Plan plan)
    {
        var (budget, memory, next) = (plan.Budget, plan.Memory, plan.Prospect.NextWindow);
        var announced = new SortedSet<string>(memory.Announced, StringComparer.Ordinal);
        ForgetSuspended(announced, NamedForNext, budget);
        CostedWorkload[] news = next is null
            ? []
            : [.. next.Suspends.Where(workload => !announced.Contains(NamedForNext + workload.Uid)).Take(MostWorkloads)];
        if (news.Length == 0 && announced.Count == memory.Announced.Count)
            return;
        announced.UnionWith(news.Select(workload => NamedForNext + workload.Uid));
        plan.Memory = memory with { Announced = [.. announced] };
        if (news.Length == 0)
            return;
        plan.Announce(
            new(Reasons.WillSuspend, $"{budget.Window.Key}/next/{news[0].Uid}", Messages.WillSuspendNext(budget, next!), Warning: true)
            {
                About = budget.Observes ? [] : [.. news.Select(workload => workload.Snapshot.Key)],
            }
        );
    }

    public static void Announce(Plan plan)
    {
        if (!plan.IsOpen)
            return;
        AnnounceRisk(plan);
        AnnounceOverspend(plan);
    }

    private static void AnnounceRisk(Plan plan)
    {
        var (budget, totals, outlook, growth) = (plan.Budget, plan.Totals, plan.Prospect.After, plan.Prospect.Growth);
        var announced = new SortedSet<string>(plan.Memory.Announced, StringComparer.Ordinal);
        ForgetSuspended(announced, Named, budget);
        ForgetSuspended(announced, Near, budget);
        // Some workloads may have resumed while others stay suspended for the limit.
        var over = LimitRule.IsReached(totals) || plan.Prospect.Exhausted && outlook.Suspends.Count + outlook.ForecastSuspends.Count == 0;
        if (over || outlook.RunsOutAt is null)
        {
            if (over || outlook.Projected < totals.Limit - totals.Limit.Percent(RearmPercent))
                announced.RemoveWhere(key =>
                    key.StartsWith(Risk, StringComparison.Ordinal) || key.StartsWith(Soon, StringComparison.Ordinal)
                );
        }
        else
        {
            // A new limit is announced again. So is a job that a forecast suspends and no Event has named, and the first workload that the
            // limit will suspend.
            CostedWorkload[] concerned = [.. outlook.ForecastSuspends.Concat(outlook.Suspends).Take(MostWorkloads)];
            var other = Unnamed([.. outlook.ForecastSuspends.Take(MostWorkloads)])
                ?? (concerned.Any(workload => announced.Contains(Named + workload.Uid)) ? null : Unnamed(concerned));
            if (Replace(Risk, totals.Limit.ToString()) || other is not null)
                Warn(Reasons.AtRisk, $"risk/{other}", Messages.AtRisk(budget, totals, outlook), concerned);
            CostedWorkload[] next =
            [
                .. outlook.ForecastSuspends,
                .. outlook.SuspendsAt - budget.Now <= Lead || outlook.ForecastAt is null ? outlook.Suspends : [],
            ];
            if (outlook.NextSuspendsAt is not { } at || at - budget.Now > Lead + Lead)
                announced.RemoveWhere(key => key.StartsWith(Soon, StringComparison.Ordinal));
            else if (IsNews(at) || at - budget.Now <= Lead && next.Length <= MostWorkloads && Unnamed(next, Near) is not null)
            {
                var moment = at.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
                Replace(Soon, moment);
                Warn(
                    Reasons.WillSuspend,
                    $"soon/{moment}/{Unnamed(next, Near)}",
                    Messages.WillSuspendAhead(budget, totals, outlook, next),
                    next
                );
                foreach (var workload in next.Take(MostWorkloads))
                    announced.Add(Near + workload.Uid);
            }
        }
        if (growth is not null && Unnamed(growth.Suspends) is { } grows)
            Warn(Reasons.AtRisk, $"growth/{grows}", Messages.MayGrow(budget, totals, growth), growth.Suspends);
        if (!announced.SetEquals(plan.Memory.Announced))
            plan.Memory = plan.Memory with { Announced = [.. announced] };

        bool Replace(string prefix, string value)
        {
            if (announced.Contains(prefix + value))
                return false;
            announced.RemoveWhere(key => key.StartsWith(prefix, StringComparison.Ordinal));
            return announced.Add(prefix + value);
        }

        bool IsNews(DateTimeOffset at) =>
            announced.FirstOrDefault(key => key.StartsWith(Soon, StringComparison.Ordinal)) is { } known
                ? HasMoved(
                    at - DateTimeOffset.FromUnixTimeSeconds(long.Parse(known.AsSpan(Soon.Length), CultureInfo.InvariantCulture)),
                    (at - budget.Now) / 4
                )
                : at - budget.Now <= Lead;

        static bool HasMoved(TimeSpan by, TimeSpan quarter) => by.Duration() >= Shift || -by >= LeastShift && -by >= quarter;

        string? Unnamed(IReadOnlyList<CostedWorkload> workloads, string prefix = Named) =>
            workloads.FirstOrDefault(workload => !announced.Contains(prefix + workload.Uid))?.Uid;

        void Warn(string reason, string key, string sentence, IEnumerable<CostedWorkload> concerned)
        {
            WorkloadKey[] about = [.. concerned.Select(workload => workload.Snapshot.Key).Take(MostWorkloads)];
            foreach (var named in about)
                announced.Add(Named + named.Uid);
            // Observe mode writes nothing on workloads, not even Events.
            plan.Announce(
                new(reason, $"{budget.Window.Key}/{totals.Limit}/{key}", sentence, Warning: true) { About = budget.Observes ? [] : about }
            );
        }
    }

    private static void AnnounceOverspend(Plan plan)
    {
        var (budget, memory, overspent, runsOn) = (plan.Budget, plan.Memory, plan.Prospect.Overspent, plan.Prospect.RunsOn);
        if (overspent <= Amount.Zero)
        {
            if (memory.Overspent is not null)
                plan.Memory = memory with { Overspent = null };
        }
        else if (
            memory.Overspent is not { } last
            || budget.Now - last.At >= LongestPause
            || budget.Now - last.At >= LeastPause && overspent >= last.Sum + last.Sum
        )
        {
            plan.Memory = memory with { Overspent = new(budget.Now, overspent) };
            plan.Announce(
                new(
                    Reasons.Overspent,
                    $"{budget.Window.Key}/{budget.Now.ToUnixTimeSeconds()}",
                    Messages.Overspent(budget, plan.Totals, overspent, runsOn),
                    Warning: true
                )
                {
                    About = budget.Observes
                        ? []
                        :
                        [
                            .. runsOn
                                .OrderByDescending(workload => workload.Snapshot.BurnRate)
                                .Select(workload => workload.Snapshot.Key)
                                .Take(MostWorkloads),
                        ],
                }
            );
        }
    }

    /// <summary>Whether an announcement of this window, or one of the last window for this one, named the workload.</summary>
    internal static bool IsNamed(WorkloadSnapshot workload, BudgetMemory memory) =>
        memory.Announced.Any(entry =>
            entry == Named + workload.Key.Uid || entry == Near + workload.Key.Uid || entry == NamedForNext + workload.Key.Uid
        );

    /// <summary>Forgets announcements that have come true, so that the next suspension of the workload is announced again.</summary>
    private static void ForgetSuspended(SortedSet<string> announced, string prefix, BudgetSnapshot budget)
    {
        var runs = budget
            .Workloads.Where(workload => workload.State is WorkloadState.Running or WorkloadState.Pending)
            .Select(workload => prefix + workload.Key.Uid)
            .ToHashSet(StringComparer.Ordinal);
        announced.RemoveWhere(key => key.StartsWith(prefix, StringComparison.Ordinal) && !runs.Contains(key));
    }
}
