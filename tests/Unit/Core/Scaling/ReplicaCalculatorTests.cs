using Bursar.Core.Scaling;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Scaling;

/// <summary>Rules of the HorizontalPodAutoscaler page on kubernetes.io, "Algorithm details", one per row.</summary>
public sealed class ReplicaCalculatorTests
{
    // values: one per replica, in units; p is pending, - has no value, x is terminating (its value must not count).
    [Theory]
    [InlineData("desired = ceil(current × value ÷ target)", "200 200", 100, 4)]
    [InlineData("half the target halves", "50 50 50 50", 100, 2)]
    [InlineData("any fraction is rounded up", "110 130 140", 100, 4)]
    [InlineData("the average counts, not the highest", "300 0 0", 100, 3)]
    [InlineData("1.1 is within the tolerance of 0.1", "110", 100, 1)]
    [InlineData("0.9 is within it too", "90 90 90 90 90 90 90 90 90 90", 100, 10)]
    [InlineData("1.11 is not", "111", 100, 2)]
    [InlineData("0.89 is not", "89 89 89 89 89 89 89 89 89 89", 100, 9)]
    [InlineData("nothing at all asks for none", "0 0", 100, 0)]
    [InlineData("what is being deleted or has failed is set aside", "200 x", 100, 2)]
    [InlineData("a pending one counts as nothing when more are wanted: less of a jump", "200 p", 100, 2)]
    [InlineData("and more of them less still", "300 300 p p", 100, 6)]
    [InlineData("what it would turn round is not done", "150 p p", 100, 3)]
    [InlineData("a pending one is not counted when fewer are wanted", "50 50 p", 100, 1)]
    [InlineData("a missing value counts as nothing when more are wanted", "200 200 200 -", 100, 6)]
    [InlineData("if that comes within the tolerance nothing changes", "150 150 -", 100, 3)]
    [InlineData("a missing value counts as the target when fewer are wanted", "50 50 50 -", 100, 3)]
    [InlineData("if that comes within the tolerance nothing changes either", "85 -", 100, 2)]
    [InlineData("at the target exactly a missing one changes nothing", "100 -", 100, 2)]
    [InlineData("a missing one never turns fewer into more", "60 -", 100, 2)]
    [InlineData("pending and missing ones together, upwards", "400 p -", 100, 4)]
    [InlineData("pending and missing ones together, downwards", "10 10 p -", 100, 2)]
    public void Metric_per_replica_gives_the_replica_count(string rule, string values, int target, int expected)
    {
        var (measured, replicas) = Replicas(values);
        ReplicaCalculator
            .PerReplica(replicas.Count(one => !one.Leaving), target * 1000L, measured, replicas, ScalingBehavior.Default)
            .Should()
            .Be(expected, rule);
    }

    [Theory]
    [InlineData("no replica at all", "")]
    [InlineData("only pending ones", "p p")]
    [InlineData("none has a value", "- -")]
    [InlineData("those that have one are leaving", "x")]
    public void Result_without_values_is_null(string rule, string values)
    {
        var (measured, replicas) = Replicas(values);
        ReplicaCalculator.PerReplica(1, 100_000, measured, replicas, ScalingBehavior.Default).Should().BeNull(rule);
    }

    [Fact]
    public void Average_is_cut_to_whole_milli_units()
    {
        // 1, 1 and 2 milli-units are 1.33 on average; the integer division of Kubernetes gives 1.
        Dictionary<string, long> values = new()
        {
            ["a"] = 1,
            ["b"] = 1,
            ["c"] = 2,
        };
        ReplicaState[] replicas = [new("a", false, true, false), new("b", false, true, false), new("c", false, true, false)];
        ReplicaCalculator.PerReplica(3, 1, values, replicas, ScalingBehavior.Default).Should().Be(3);
    }

    [Fact]
    public void Value_of_a_replica_that_is_gone_is_ignored() =>
        ReplicaCalculator
            .PerReplica(
                1,
                1000,
                new Dictionary<string, long> { ["a"] = 1000, ["gone"] = 9000 },
                [new("a", false, true, false)],
                ScalingBehavior.Default
            )
            .Should()
            .Be(1);

    [Theory]
    [InlineData("desired = ceil(value ÷ target)", 4, 950, 100, 10)]
    [InlineData("the tolerance is of value ÷ (target × replicas): 440 for 4 is 1.1", 4, 440, 100, 4)]
    [InlineData("441 is not within it", 4, 441, 100, 5)]
    [InlineData("360 is", 4, 360, 100, 4)]
    [InlineData("359 comes to the same by rounding up", 4, 359, 100, 4)]
    [InlineData("300", 4, 300, 100, 3)]
    [InlineData("nothing asks for none", 4, 0, 100, 0)]
    [InlineData("with none running everything is off target", 0, 50, 100, 1)]
    [InlineData("and nothing of nothing asks for none", 0, 0, 100, 0)]
    public void Shared_metric_gives_the_replica_count(string rule, int actual, int value, int target, int expected) =>
        ReplicaCalculator.Shared(actual, value * 1000L, target * 1000L, ScalingBehavior.Default).Should().Be(expected, rule);

    [Theory]
    [InlineData("desired = ceil(ready × value ÷ target)", 2, "200 200", 30, 10, 6)]
    [InlineData("those not ready do not multiply it", 2, "200 p", 30, 10, 3)]
    [InlineData("none ready asks for none", 2, "p p", 30, 10, 0)]
    [InlineData("within the tolerance the replicas stay, ready or not", 2, "p p", 11, 10, 2)]
    [InlineData("with none, the ratio itself counts", 0, "", 25, 10, 3)]
    public void Total_metric_gives_the_replica_count(string rule, int current, string values, int value, int target, int expected) =>
        ReplicaCalculator
            .Whole(current, value * 1000L, target * 1000L, Replicas(values).Replicas, ScalingBehavior.Default)
            .Should()
            .Be(expected, rule);

    [Fact]
    public void Metric_of_the_whole_off_target_is_null_without_known_replicas()
    {
        ReplicaCalculator.Whole(2, 30_000, 10_000, [], ScalingBehavior.Default).Should().BeNull();
        ReplicaCalculator.Whole(2, 10_000, 10_000, [], ScalingBehavior.Default).Should().Be(2);
    }

    [Theory]
    [InlineData(0, 0, 101, 2)]
    [InlineData(0, 0, 100, 1)]
    [InlineData(0.5, 0, 150, 1)]
    [InlineData(0.5, 0, 151, 2)]
    public void Tolerance_may_be_set_for_each_direction(double up, double down, int value, int expected)
    {
        var behavior = ScalingBehavior.Default with
        {
            Up = ScalingBehavior.Default.Up with { Tolerance = up },
            Down = ScalingBehavior.Default.Down with { Tolerance = down },
        };
        ReplicaCalculator.Shared(1, value * 1000L, 100_000, behavior).Should().Be(expected);
        ReplicaCalculator
            .Shared(10, 999_000, 100_000, behavior)
            .Should()
            .Be(10, "999 of 1000 rounds up to 10 without any tolerance downwards");
        ReplicaCalculator.Shared(10, 900_000, 100_000, behavior).Should().Be(9, "the tolerance upwards is not that downwards");
    }

    [Fact]
    public void Replica_count_is_never_negative() =>
        Prop.ForAll(
                ArbMap.Default.ArbFor<long>(),
                ArbMap.Default.ArbFor<PositiveInt>(),
                ArbMap.Default.ArbFor<NonNegativeInt>(),
                (value, target, count) =>
                {
                    var huge = value == long.MinValue ? long.MaxValue : Math.Abs(value) * 1_000_000_007;
                    int[] all =
                    [
                        ReplicaCalculator.Shared(count.Get, huge, target.Get, ScalingBehavior.Default),
                        ReplicaCalculator.Whole(1, huge, target.Get, [new("a", false, true, false)], ScalingBehavior.Default)!.Value,
                        ReplicaCalculator
                            .PerReplica(
                                2,
                                target.Get,
                                new Dictionary<string, long> { ["a"] = Math.Abs(huge), ["b"] = long.MaxValue },
                                [new("a", false, true, false), new("b", false, true, false), new("c", true, false, false)],
                                ScalingBehavior.Default
                            )!
                            .Value,
                    ];
                    return all.All(one => one >= 0);
                }
            )
            .QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(0.0001, 1)]
    [InlineData(1e-9, 1)]
    [InlineData(0.001, 1)]
    [InlineData(0.0011, 2)]
    [InlineData(1.5, 1500)]
    [InlineData(0.1 + 0.2, 300)]
    [InlineData(0, 0)]
    [InlineData(-3, 0)]
    [InlineData(double.NaN, 0)]
    [InlineData(double.PositiveInfinity, 1_000_000_000_000_000_000)]
    public void Figure_is_rounded_up_to_milli_units(double value, long expected) => ReplicaCalculator.Milli(value).Should().Be(expected);

    private static (Dictionary<string, long> Values, List<ReplicaState> Replicas) Replicas(string values)
    {
        var measured = new Dictionary<string, long>(StringComparer.Ordinal);
        var replicas = new List<ReplicaState>();
        foreach (var word in values.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var key = $"pod-{replicas.Count}";
            if (word == "x")
                measured[key] = 900_000;
            else if (long.TryParse(word, out var value))
                measured[key] = value * 1000;
            replicas.Add(new(key, Pending: word == "p", Ready: word is not ("p" or "x"), Leaving: word == "x"));
        }
        return (measured, replicas);
    }
}
