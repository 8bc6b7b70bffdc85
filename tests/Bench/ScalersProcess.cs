using System.Diagnostics;
using Bursar.Core.Decisions;
using Bursar.Core.Money;
using Bursar.Core.Scaling;

namespace Bursar.Tests.Bench;

/// <summary>A thousand scalers, a hundred to a budget, looked at every second for ten minutes: demand that moves, windows full of what was recommended.</summary>
internal static class ScalersProcess
{
    private const int Scalers = 1000;
    private const int Budgets = 10;
    private const int Looks = 600;

    public static int Run()
    {
        var (now, random) = (new DateTimeOffset(2026, 11, 22, 9, 0, 0, TimeSpan.Zero), new Random(1));
        var price = Rate.FromDecimal(3.06m);
        var terms = new ScalerTerms
        {
            Max = 20,
            Triggers =
            [
                new() { Name = "s0-tokens", Type = TriggerType.Tokens, Target = 1000 },
                new() { Name = "s1-queue", Type = TriggerType.Queue, Target = 4 },
                new() { Name = "s2-prometheus", Type = TriggerType.Prometheus, Target = 10 },
            ],
        };
        var (replicas, memories, seconds) = (new int[Scalers], new ScalerMemory[Scalers], new double[Looks]);
        Array.Fill(replicas, 2);
        Array.Fill(memories, ScalerMemory.Empty);
        long scaled = 0, capped = 0;
        for (var look = 0; look < Looks; look++, now = now.AddSeconds(1))
        {
            var snapshots = Enumerable.Range(0, Scalers).Select(i => Snapshot(i)).ToArray();
            var clock = Stopwatch.StartNew();
            var askers = Array.ConvertAll(snapshots, scaler => new MoneyAsker(scaler.Name, scaler, ScalerDemand.Of(scaler)));
            for (var budget = 0; budget < Budgets; budget++)
            {
                var own = askers[(budget * Scalers / Budgets)..((budget + 1) * Scalers / Budgets)];
                var rate = price * (4 * own.Length);
                var caps = MoneyCaps.OfBudget("budget", new(rate, rate.For(TimeSpan.FromHours(24)), TimeSpan.FromHours(24)), own);
                for (var i = 0; i < own.Length; i++)
                {
                    var at = budget * Scalers / Budgets + i;
                    var decision = ScalerDecider.Decide(own[i].Scaler, own[i].Demand, [caps[own[i].Key]]);
                    memories[at] = decision.Scales ? decision.Memory.WithScaled(replicas[at], decision.Desired, terms.Behavior, now) : decision.Memory;
                    if (decision.Scales) (replicas[at], scaled) = (decision.Desired, scaled + 1);
                    if (decision.IsCapped) capped++;
                }
            }
            seconds[look] = clock.Elapsed.TotalSeconds;
        }
        if (scaled == 0 || capped == 0) throw new InvalidOperationException("the scalers of the bench have nothing to do");
        Array.Sort(seconds, Looks / 2, Looks / 2);
        ChildProcess.Tell("scalers", Scalers);
        ChildProcess.Tell("scaled", scaled);
        ChildProcess.Tell("median", seconds[Looks * 3 / 4]);
        ChildProcess.Tell("slow", seconds[Looks / 2 + Looks * 99 / 200]);
        Console.WriteLine("end");
        return 0;

        ScalerSnapshot Snapshot(int i)
        {
            var states = Enumerable.Range(0, replicas[i]).Select(k => new ReplicaState($"chat-{k}", Pending: false, Ready: true, Leaving: false)).ToArray();
            var tokens = states.ToDictionary(state => state.Key, _ => random.NextInt64(0, 2_500_000), StringComparer.Ordinal);
            var queue = states.ToDictionary(state => state.Key, _ => random.NextInt64(0, 9_000), StringComparer.Ordinal);
            return new()
            {
                Namespace = "team",
                Name = $"chat-{i:D4}",
                Target = "Deployment/chat",
                Now = now,
                CreatedAt = now.AddDays(-1),
                Terms = terms,
                Replicas = replicas[i],
                ActualReplicas = replicas[i],
                ReplicaStates = states,
                Readings =
                [
                    new() { Value = tokens.Values.Sum() / 1000d, PerReplica = tokens, At = now },
                    new() { Value = queue.Values.Sum() / 1000d, PerReplica = queue, At = now },
                    new() { Value = random.Next(0, 120), At = now },
                ],
                Prices = new(replicas[i], price * replicas[i], price),
                Memory = memories[i],
            };
        }
    }
}
