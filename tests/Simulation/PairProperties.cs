using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Money;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Operator.Cluster;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;
using Xunit.Abstractions;

namespace Bursar.Tests.Simulation;

/// <summary>
/// Two budgets over the same jobs, and over some of their own, in random runs: limits rise and fall, jobs appear and end, and the operator
/// is killed between any two writes.
/// </summary>
public sealed class PairProperties(ITestOutputHelper output)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Job_of_two_budgets_needs_both_never_flaps_and_keeps_both_limits(bool dies)
    {
        var (suspensions, shared, agreed, resumes, again, deaths) = (0, 0, 0, 0, 0, 0);
        for (var seed = 0; seed < 150; seed++)
        {
            var life = new PairRun(seed, dies);
            for (var turn = 0; turn < 250; turn++)
                life.Turn();
            (suspensions, shared, agreed, resumes, again, deaths) = (
                suspensions + life.Suspendings,
                shared + life.SuspendedByBoth,
                agreed + life.Agreed,
                resumes + life.Resumes,
                again + life.Again,
                deaths + life.Deaths
            );
        }
        output.WriteLine(
            $"150 lives of 250 minutes: {suspensions} suspensions ({again} of a job that had been suspended before), {shared} jobs that both held, {agreed} times one agreed and the other held on, {resumes} resumes, {deaths} deaths"
        );
        shared.Should().BeGreaterThan(150, "runs in which the two never suspend the same job prove nothing");
        agreed.Should().BeGreaterThan(100);
        resumes.Should().BeGreaterThan(150);
        again.Should().BeGreaterThan(20);
        if (dies)
            deaths.Should().BeGreaterThan(300);
    }

    private sealed class PairJob(string name, bool[] of, TimeSpan total, int priority, DateTimeOffset createdAt)
        : SharedJob("team", name, total, priority, createdAt)
    {
        public bool[] Of { get; } = of;

        /// <summary>The number of events in the world at its last suspension.</summary>
        public int? SuspendedAfter { get; set; }
    }

    private sealed class PairBudget(string name, Amount limit)
    {
        public string Name { get; } = name;

        public string Uid { get; } = "uid-" + name;

        public BudgetTerms Terms { get; set; } =
            new()
            {
                Limit = limit,
                Window = new(WindowPeriod.Month),
                Settle = TimeSpan.Zero,
            };

        public Amount Spent { get; set; } = Amount.Zero;

        public Amount Highest { get; set; } = limit;
    }

    private sealed class PairRun
    {
        private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

        private readonly int _seed;
        private readonly bool _dies;
        private readonly Random _random;
        private readonly PairBudget[] _budgets;
        private readonly List<PairJob> _jobs = [];
        private readonly Dictionary<string, string> _stopped = new(StringComparer.Ordinal);
        private readonly SimulatedApi _api = new();
        private readonly VirtualTimeProvider _time = new(new(2026, 11, 2, 9, 0, 0, TimeSpan.Zero));
        private readonly KubeClient _client;
        private OperatorProcess _operator;
        private int _events;
        private int _made;
        private int _sinceDeath = 10;

        public PairRun(int seed, bool dies)
        {
            (_seed, _dies, _random) = (seed, dies, new(seed));
            _client = OperatorProcess.Connect(_api, _time);
            _operator = new(_client);
            _api.Writing = (_, _, _) => KillByChance();
            _api.Written = (path, before, after) =>
            {
                if (_jobs.Find(job => job.Path == path) is { } job)
                    Follow(job, suspended: SharedJob.IsSuspended(after!), wasSuspended: SharedJob.IsSuspended(before!));
                KillByChance();
            };
            _budgets = [new("a", Money(_random.Next(2, 25))), new("b", Money(_random.Next(2, 25)))];
            for (var i = 0; i < 5; i++)
                Make();
        }

        public int Suspendings { get; private set; }

        public int SuspendedByBoth { get; private set; }

        public int Agreed { get; private set; }

        public int Resumes { get; private set; }

        public int Again { get; private set; }

        public int Deaths { get; private set; }

        private DateTimeOffset Now => _time.GetUtcNow();

        private OperatorState State => _operator.State;

        private string When => $"seed {_seed}, {Now:HH:mm}";

        public void Turn()
        {
            Happen();
            _sinceDeath++;
            _stopped.Clear();
            foreach (var budget in _random.Next(2) == 0 ? _budgets : [.. _budgets.Reverse()])
                try
                {
                    Evaluate(budget);
                }
                catch (OperatorKilledException)
                {
                    Deaths++;
                    _sinceDeath = 0;
                    _operator = new(_client);
                    break;
                }
            Check();
            Pass();
        }

        private void Check()
        {
            foreach (var job in _jobs)
            {
                var holders = State.Suspensions().Count(record => record.Uid == job.Key.Uid);
                if (job.Suspended)
                    holders.Should().BeGreaterThan(0, "{0}: {1} is suspended, and nobody would ever bring it back", When, job.Key.Name);
                else if (_sinceDeath > 1)
                    holders.Should().Be(0, "{0}: {1} runs while a budget holds it", When, job.Key.Name);
                if (!job.Suspended && _sinceDeath > 0)
                    _stopped.Should().NotContainKey(job.Key.Uid, "{0}: {1} was to be stopped in this very turn", When, job.Key.Name);
            }
            foreach (var budget in _budgets)
                (budget.Spent - budget.Highest)
                    .Units.Should()
                    .BeLessThanOrEqualTo(0, "{0}: budget {1} spent {2} of {3}", When, budget.Name, budget.Spent, budget.Highest);
        }

        private void Pass()
        {
            foreach (var job in _jobs.Where(job => !job.Suspended).ToArray())
            {
                var runs = job.Left < Minute ? job.Left : Minute;
                for (var i = 0; i < 2; i++)
                    if (job.Of[i])
                        _budgets[i].Spent += job.Rate.For(runs);
                job.Left -= runs;
                if (job.Left <= TimeSpan.Zero)
                    End(job);
            }
            _time.Advance(Minute);
        }

        private void Happen()
        {
            var budget = _budgets[_random.Next(2)];
            switch (_random.Next(50))
            {
                case 0 or 1:
                    budget.Terms = budget.Terms with { Limit = budget.Terms.Limit + Money(_random.Next(1, 12)) };
                    _events++;
                    break;
                case 2:
                    budget.Terms = budget.Terms with { Limit = Amount.Max(Money(1), budget.Terms.Limit - Money(_random.Next(1, 8))) };
                    break;
                case 3 or 4 when _jobs.Count < 9:
                    Make();
                    break;
                case 5 when _jobs.Count > 3:
                    End(_jobs[_random.Next(_jobs.Count)]);
                    break;
            }
            budget.Highest = Amount.Max(budget.Highest, budget.Terms.Limit);
        }

        private void Make()
        {
            bool[] of = _random.Next(4) switch
            {
                0 => [true, false],
                1 => [false, true],
                _ => [true, true],
            };
            var job = new PairJob($"job-{_made++}", of, TimeSpan.FromMinutes(_random.Next(5, 300)), _random.Next(2), Now);
            _jobs.Add(job);
            _api.Put(job.Path, job.ToObject());
        }

        private void End(PairJob job)
        {
            _jobs.Remove(job);
            _api.Remove(job.Path);
            _events++;
            // Records of deleted objects are dropped, as the controller does.
            foreach (var budget in _budgets)
                State.DropSuspension(budget.Uid, job.Key.Uid, WorkloadKind.SuspendField);
        }

        private void Evaluate(PairBudget budget)
        {
            var snapshot = Observe(budget);
            var decision = BudgetDecider.Decide(snapshot);
            foreach (var action in decision.Actions)
            {
                var job = _jobs.Single(j => j.Key == action.Workload);
                if (action.Kind == ActionKind.Suspend)
                {
                    _stopped[job.Key.Uid] = budget.Name;
                    if (job.Suspended)
                        SuspendedByBoth++;
                    continue;
                }
                // Ten minutes in which it fitted count as an event, each time for twice as long.
                if (action.Reason == Reasons.FitsAgain)
                    _events++;
                if (State.SuspendedByOthers(["team"], budget.Uid)[job.Key.Uid].Any())
                    Agreed++;
            }
            _operator.CarryOut(snapshot, decision);
        }

        /// <summary>Acts as the Job controller when the field changes.</summary>
        private void Follow(PairJob job, bool suspended, bool wasSuspended)
        {
            if (suspended == wasSuspended)
                return;
            job.Suspended = suspended;
            if (!suspended)
            {
                Resumes++;
                return;
            }
            job.Left = job.Total;
            Suspendings++;
            if (job.SuspendedAfter is { } then)
            {
                Again++;
                _events.Should().BeGreaterThan(then, "{0}: {1} was suspended again and nothing had happened", When, job.Key.Name);
            }
            job.SuspendedAfter = _events;
        }

        /// <summary>Before a write, or after it and before its answer.</summary>
        private void KillByChance()
        {
            if (_dies && _sinceDeath > 2 && _random.Next(12) == 0)
                throw new OperatorKilledException();
        }

        private BudgetSnapshot Observe(PairBudget budget)
        {
            var index = Array.IndexOf(_budgets, budget);
            var memory = State.BudgetMemory(budget.Uid);
            var records = State.SuspensionsBy(budget.Uid).ToDictionary(r => r.Uid, StringComparer.Ordinal);
            var others = State.SuspendedByOthers(["team"], budget.Uid);
            WorkloadSnapshot[] work =
            [
                .. _jobs
                    .Where(j => j.Of[index])
                    .Select(j => j.Snapshot(records.GetValueOrDefault(j.Key.Uid), [.. others[j.Key.Uid]], memory, Now)),
            ];
            return new()
            {
                Namespace = "team",
                Name = budget.Name,
                Uid = budget.Uid,
                Now = Now,
                Terms = budget.Terms,
                Window = Window.At(budget.Terms.Window, Now),
                Spent = budget.Spent,
                BurnRate = work.Aggregate(HourlyCost.Zero, (sum, w) => sum + w.BurnRate),
                Workloads = work,
                Memory = memory,
                // A minute between two looks, and one more where the operator died.
                ReactionTime = TimeSpan.FromSeconds(190),
            };
        }

        private static Amount Money(int amount) => Amount.FromDecimal(amount);
    }
}
