using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Text;

namespace Bursar.Tests.Simulation;

/// <summary>The faults, and how often each occurs.</summary>
public sealed record Faults
{
    /// <summary>Changes reach the operator after up to this long.</summary>
    public TimeSpan WatchDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The largest delay until a write takes effect.</summary>
    public TimeSpan WriteDelay { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>The chance that a report of progress is lost.</summary>
    public double LostReports { get; init; }

    /// <summary>The chance that the operator is killed between the ledger's write and an act.</summary>
    public double KilledBeforeAct { get; init; }

    /// <summary>The chance that it is killed between an act and the ledger's write after it.</summary>
    public double KilledAfterAct { get; init; }

    public TimeSpan Downtime { get; init; } = TimeSpan.FromSeconds(2);
}

/// <summary>
/// A cluster without HTTP: nodes, jobs, deployments and one budget on one event queue. Everything is drawn from one seed, so that the same
/// seed produces the same scenario.
/// </summary>
public sealed class ScenarioWorld
{
    private readonly Random _physics;
    private readonly Random _faults;
    private readonly List<ScenarioNode> _nodes = [];
    private readonly List<ScenarioWorkload> _work = [];

    public ScenarioWorld(int seed, DateTimeOffset start, BudgetTerms terms, Faults? faults = null)
    {
        // Two streams: a fault more or less does not change how the jobs themselves run.
        _physics = new(seed);
        _faults = new(seed ^ 0x5eed);
        Faults = faults ?? new();
        Terms = terms;
        Queue = new(start);
        Operator = new(this);
    }

    public ScenarioQueue Queue { get; }

    public ScenarioLog Log { get; } = new();

    internal SimulatedApi Api { get; } = new();

    public Faults Faults { get; }

    public BudgetTerms Terms { get; private set; }

    public ScenarioOperator Operator { get; }

    public IReadOnlyList<ScenarioWorkload> Work => _work;

    public DateTimeOffset Now => Queue.Now;

    public bool ByChance(double chance) => chance > 0 && _faults.NextDouble() < chance;

    public TimeSpan UpTo(TimeSpan most) => TimeSpan.FromMilliseconds(Math.Floor(_faults.NextDouble() * most.TotalMilliseconds));

    public ScenarioWorld Node(string name, string product, int gpus, decimal perGpuHour)
    {
        _nodes.Add(new(name, product, gpus));
        Operator.Price(product, GpuHourPrice.FromDecimal(perGpuHour));
        Operator.SeeNode(name, product, gpus);
        return this;
    }

    public ScenarioWorld At(TimeSpan after, Action<ScenarioWorld> happens)
    {
        Queue.After(after, () => happens(this));
        return this;
    }

    public void Create(WorkPlan plan)
    {
        var work = new ScenarioWorkload(plan, Now);
        _work.Add(work);
        Api.Put(work.Path, work.Object(stopped: false));
        Log.Write(
            Now,
            "user",
            $"creates {plan}: {plan.Gpus} x {plan.Product}"
                + (plan.Declared is { } declared ? $", expected-duration {GoDuration.Format(declared)}" : "")
        );
        Tell(work);
        Schedule();
    }

    public void SetLimit(decimal limit)
    {
        Terms = Terms with { Limit = Amount.FromDecimal(limit) };
        Log.Write(Now, "user", $"sets the limit to {Terms.Limit.ToShortString()}");
        Operator.Wake();
    }

    public void Change(string what, Func<BudgetTerms, BudgetTerms> change)
    {
        Terms = change(Terms);
        Log.Write(Now, "user", what);
        Operator.Wake();
    }

    /// <summary>A user resumes work that Bursar suspended.</summary>
    public void ResumeByHand(string name)
    {
        var work = Named(name);
        Log.Write(Now, "user", $"resumes {work.Plan} by hand");
        Api.Put(work.Path, work.Object(stopped: false));
        Unsuspend(work);
    }

    public void LoseNode(string name, TimeSpan time)
    {
        var node = _nodes.Single(n => n.Name == name);
        node.LostAt = Now;
        Log.Write(Now, "cluster", $"node {name} gives no sign");
        var lost = Now;
        Queue.After(TimeSpan.FromSeconds(40), () => Operator.NodeLost(name, lost));
        Queue.After(time, () =>
        {
            node.LostAt = null;
            Log.Write(Now, "cluster", $"node {name} is back");
            Operator.NodeReturned(name);
        });
    }

    public ScenarioWorkload Named(string name) => _work.Single(w => w.Plan.Name == name);

    public void RunFor(TimeSpan time)
    {
        Operator.Start();
        Queue.RunUntil(Now + time);
    }

    /// <summary>The API server took the operator's patch, and the work's controller follows it.</summary>
    public void Suspend(ScenarioWorkload work)
    {
        if (work.Suspended || work.Ended || !ScenarioWorkload.IsStopped(Api.Find(work.Path)!))
            return;
        work.Suspended = true;
        work.Asked = null;
        work.SuspendChangedAt = Now;
        Tell(work);
        if (work.Pod is not { Terminating: false } pod)
            return;
        pod.Terminating = true;
        work.Runs++;
        var periodic = work.Plan.CheckpointEvery > 0 ? Math.Floor(work.Done / work.Plan.CheckpointEvery) * work.Plan.CheckpointEvery : 0;
        work.Done = Math.Max(periodic, work.Answer?.Mark.Step ?? 0);
        Queue.After(UpTo(work.Plan.Grace), () => End(pod));
    }

    /// <summary>The annotation of a request reaches the object; responsive work writes its checkpoint and reports it.</summary>
    public void Ask(ScenarioWorkload work, string id)
    {
        if (work.Asked == id || work.Ended || work.Suspended)
            return;
        work.Asked = id;
        if (work.Plan is not { AnswersIn: { } takes, Ignores: false } || work.Pod is null)
            return;
        var (run, step) = (work.Runs, (long)work.Done);
        Queue.After(takes, () =>
        {
            if (work.Runs != run || work.Ended)
                return;
            work.Answer = (id, new(Now, step));
            Log.Write(Now, "cluster", $"{work.Plan} acknowledges its checkpoint of step {step}");
            Tell(work);
        });
    }

    public void WithdrawRequest(ScenarioWorkload work, string id)
    {
        if (work.Asked == id)
            work.Asked = null;
    }

    public void Unsuspend(ScenarioWorkload work)
    {
        if (!work.Suspended || work.Ended)
            return;
        work.Suspended = false;
        work.SuspendChangedAt = Now;
        work.WaitsSince = Now;
        Tell(work);
        Schedule();
    }

    private void Tell(ScenarioWorkload work) => Queue.After(UpTo(Faults.WatchDelay), () => Operator.See(work));

    private void Schedule()
    {
        foreach (
            var work in _work
                .Where(w => w is { Suspended: false, Ended: false, Pod: null })
                .OrderByDescending(w => w.Plan.Priority)
                .ThenBy(w => w.CreatedAt)
                .ThenBy(w => w.Plan.Name, StringComparer.Ordinal)
        )
        {
            var node = _nodes.Find(n => n.Product == work.Plan.Product && n.Free >= work.Plan.Gpus && n.LostAt is null);
            if (node is null)
                continue;
            node.Free -= work.Plan.Gpus;
            var pod = new ScenarioPod($"{work.Key.Uid}-{work.Pods.Count}", work, node, Now);
            work.Pod = pod;
            work.Pods.Add(pod);
            Tell(work);
            if (work.Plan.Class == WorkloadClass.Training)
                Queue.After(work.Plan.WarmUp, () => Stretch(pod, work.Runs));
        }
    }

    /// <summary>Runs one stretch of steps, and reports at its end.</summary>
    private void Stretch(ScenarioPod pod, int run)
    {
        var work = pod.Work;
        if (work.Runs != run || pod.FinishedAt is not null)
            return;
        Report(work);
        var plan = work.Plan;
        var seconds =
            plan.SecondsPerStep
            * (1 + plan.Jitter * (2 * _physics.NextDouble() - 1))
            * (plan.Slows is { } slows && work.Done >= slows.From ? slows.Factor : 1);
        var pauses = _physics.NextDouble() < plan.Pauses || pod.Node.LostAt is not null;
        var steps = pauses ? 0 : plan.ReportEvery.TotalSeconds / seconds;
        var left = plan.Steps - work.Done;
        if (steps >= left)
        {
            Queue.After(TimeSpan.FromSeconds(left * seconds), () =>
            {
                if (work.Runs != run || pod.FinishedAt is not null)
                    return;
                work.Done = plan.Steps;
                work.Ended = true;
                Log.Write(Now, "cluster", $"{plan} is done");
                End(pod);
            });
            return;
        }
        Queue.After(plan.ReportEvery, () =>
        {
            if (work.Runs != run)
                return;
            work.Done += steps;
            Stretch(pod, run);
        });
    }

    private void Report(ScenarioWorkload work)
    {
        if (!work.Plan.ReportsProgress || ByChance(Faults.LostReports))
            return;
        var (at, step) = (Now, (long)work.Done);
        Queue.After(UpTo(Faults.WatchDelay), () => Operator.SeeProgress(work, new(at, step, work.Plan.Steps)));
    }

    private void End(ScenarioPod pod)
    {
        pod.FinishedAt = Now;
        pod.Node.Free += pod.Work.Plan.Gpus;
        pod.Work.Pod = null;
        pod.Work.WaitsSince = Now;
        Tell(pod.Work);
        Schedule();
    }
}
