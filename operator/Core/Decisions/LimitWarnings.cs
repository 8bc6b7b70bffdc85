using System.Globalization;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// Announces that a budget will run out, before it does: as soon as the projection passes the limit (<c>AtRisk</c>), and again
/// <see cref="Lead"/> before work is suspended (<c>WillSuspend</c>). Announces jobs that fit only at their likely cost (<c>AtRisk</c>), and
/// work that the next window does not cover (<c>WillSuspend</c>).
/// Repeats, with growing pauses, that a budget is overspent (<c>Overspent</c>).
/// </summary>
internal static class LimitWarnings
{
    /// <summary>The second announcement comes this long before the suspension.</summary>
    public static readonly TimeSpan Lead = TimeSpan.FromHours(1);

    /// <summary>
    /// The second announcement is repeated when its time has moved by this much, or is sooner by a quarter of the time that is left.
    /// </summary>
    public static readonly TimeSpan Shift = TimeSpan.FromMinutes(15);

    /// <summary>It is not repeated for less than this.</summary>
    private static readonly TimeSpan LeastShift = TimeSpan.FromMinutes(5);

    /// <summary>An overspend is reported again when its sum has doubled, but not sooner than this.</summary>
    public static readonly TimeSpan LeastPause = TimeSpan.FromMinutes(5);

    /// <summary>An overspend is reported again at least this often.</summary>
    public static readonly TimeSpan LongestPause = TimeSpan.FromHours(6);

    // In the memory: the limit of the last AtRisk, the time that the last WillSuspend named, each workload that one of them named, each
    // that a WillSuspend named, and each that a WillSuspend named for the next window.
    private const string Risk = "risk:";
    private const string Soon = "soon:";
    private const string Named = "named:";
    private const string Near = "near:";
    private const string NamedForNext = "next:";

    /// <summary>A projection must fall this many percent of the limit below it before a new excess is news.</summary>
    private const int Rearm = 5;

    /// <summary>More workloads than this do not get an Event of their own.</summary>
    private const int MostWorkloads = GrowthRisk.MostWorkloads;

    /// <summary>Names each workload once, when the forecast first suspends it at the beginning of the next window.</summary>
    public static void AnnounceNextWindow(Plan plan)
    {
        var (budget, memory, next) = (plan.Budget, plan.Memory, plan.Prospect.NextWindow);
        var told = new SortedSet<string>(memory.Announced, StringComparer.Ordinal);
        ForgetSuspended(told, NamedForNext, budget);
        CostedWorkload[] news = next is null
            ? []
            : [.. next.Suspends.Where(item => !told.Contains(NamedForNext + item.Work.Key.Uid)).Take(MostWorkloads)];
        if (news.Length == 0 && told.Count == memory.Announced.Count)
            return;
        told.UnionWith(news.Select(item => NamedForNext + item.Work.Key.Uid));
        plan.Memory = memory with { Announced = [.. told] };
        if (news.Length == 0)
            return;
        plan.Announce(
            new(
                Reasons.WillSuspend,
                $"{budget.Window.Key}/next/{news[0].Work.Key.Uid}",
                Messages.WillSuspendNext(budget, next!),
                Warning: true
            )
            {
                About = budget.Observes ? [] : [.. news.Select(item => item.Work.Key)],
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
        var (budget, balance, outlook, growth) = (plan.Budget, plan.Totals, plan.Prospect.After, plan.Prospect.Growth);
        var told = new SortedSet<string>(plan.Memory.Announced, StringComparer.Ordinal);
        ForgetSuspended(told, Named, budget);
        ForgetSuspended(told, Near, budget);
        // Some workloads may have resumed while others stay suspended for the limit.
        var over = LimitRule.IsReached(balance) || plan.Prospect.Exhausted && outlook.Suspends.Count + outlook.ForecastSuspends.Count == 0;
        if (over || outlook.RunsOutAt is null)
        {
            if (over || outlook.Projected < balance.Limit - balance.Limit.Percent(Rearm))
                told.RemoveWhere(one => one.StartsWith(Risk, StringComparison.Ordinal) || one.StartsWith(Soon, StringComparison.Ordinal));
        }
        else
        {
            // Another limit is another risk; so is a job that a forecast suspends and that no Event has named, and the first workload that
            // the limit will suspend.
            CostedWorkload[] concerned = [.. outlook.ForecastSuspends.Concat(outlook.Suspends).Take(MostWorkloads)];
            var other = Unnamed([.. outlook.ForecastSuspends.Take(MostWorkloads)])
                ?? (concerned.Any(item => told.Contains(Named + item.Work.Key.Uid)) ? null : Unnamed(concerned));
            if (Replace(Risk, balance.Limit.ToString()) || other is not null)
                Tell(Reasons.AtRisk, $"risk/{other}", Messages.AtRisk(budget, balance, outlook), concerned);
            CostedWorkload[] next =
            [
                .. outlook.ForecastSuspends,
                .. outlook.SuspendsAt - budget.Now <= Lead || outlook.ForecastAt is null ? outlook.Suspends : [],
            ];
            if (outlook.NextSuspendsAt is not { } at || at - budget.Now > Lead + Lead)
                told.RemoveWhere(one => one.StartsWith(Soon, StringComparison.Ordinal));
            else if (IsNews(at) || at - budget.Now <= Lead && next.Length <= MostWorkloads && Unnamed(next, Near) is not null)
            {
                var moment = at.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
                Replace(Soon, moment);
                Tell(
                    Reasons.WillSuspend,
                    $"soon/{moment}/{Unnamed(next, Near)}",
                    Messages.WillSuspendAhead(budget, balance, outlook, next),
                    next
                );
                foreach (var one in next.Take(MostWorkloads))
                    told.Add(Near + one.Work.Key.Uid);
            }
        }
        if (growth is not null && Unnamed(growth.Suspends) is { } grows)
            Tell(Reasons.AtRisk, $"growth/{grows}", Messages.MayGrow(budget, balance, growth), growth.Suspends);
        if (!told.SetEquals(plan.Memory.Announced))
            plan.Memory = plan.Memory with { Announced = [.. told] };

        bool Replace(string prefix, string value)
        {
            if (told.Contains(prefix + value))
                return false;
            told.RemoveWhere(one => one.StartsWith(prefix, StringComparison.Ordinal));
            return told.Add(prefix + value);
        }

        bool IsNews(DateTimeOffset at) =>
            told.FirstOrDefault(one => one.StartsWith(Soon, StringComparison.Ordinal)) is { } known
                ? HasMoved(
                    at - DateTimeOffset.FromUnixTimeSeconds(long.Parse(known.AsSpan(Soon.Length), CultureInfo.InvariantCulture)),
                    (at - budget.Now) / 4
                )
                : at - budget.Now <= Lead;

        static bool HasMoved(TimeSpan by, TimeSpan quarter) => by.Duration() >= Shift || -by >= LeastShift && -by >= quarter;

        string? Unnamed(IReadOnlyList<CostedWorkload> work, string prefix = Named) =>
            work.FirstOrDefault(item => !told.Contains(prefix + item.Work.Key.Uid))?.Work.Key.Uid;

        void Tell(string reason, string key, string sentence, IEnumerable<CostedWorkload> concerned)
        {
            WorkloadKey[] about = [.. concerned.Select(item => item.Work.Key).Take(MostWorkloads)];
            foreach (var one in about)
                told.Add(Named + one.Uid);
            // In Observe mode nothing is written on the work, not even an Event.
            plan.Announce(
                new(reason, $"{budget.Window.Key}/{balance.Limit}/{key}", sentence, Warning: true) { About = budget.Observes ? [] : about }
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
                        : [.. runsOn.OrderByDescending(item => item.Work.BurnRate).Select(item => item.Work.Key).Take(MostWorkloads)],
                }
            );
        }
    }

    /// <summary>Whether an announcement of this window, or one of the last window for this one, named the workload.</summary>
    internal static bool IsNamed(WorkloadSnapshot work, BudgetMemory memory) =>
        memory.Announced.Any(one => one == Named + work.Key.Uid || one == Near + work.Key.Uid || one == NamedForNext + work.Key.Uid);

    /// <summary>An announcement that has come true is over: the next suspension of the workload is announced anew.</summary>
    private static void ForgetSuspended(SortedSet<string> told, string prefix, BudgetSnapshot budget)
    {
        var runs = budget
            .Workloads.Where(work => work.State is WorkloadState.Running or WorkloadState.Pending)
            .Select(work => prefix + work.Key.Uid)
            .ToHashSet(StringComparer.Ordinal);
        told.RemoveWhere(one => one.StartsWith(prefix, StringComparison.Ordinal) && !runs.Contains(one));
    }
}
