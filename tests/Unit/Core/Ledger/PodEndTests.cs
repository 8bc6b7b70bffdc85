using Bursar.Core.Ledger;

namespace Bursar.Tests.Unit.Core.Ledger;

/// <summary>Bounds of the end of a pod. Times are minutes after the pod was scheduled.</summary>
public sealed class PodEndTests
{
    private static readonly DateTimeOffset Scheduled = new(2026, 11, 21, 10, 0, 0, TimeSpan.Zero);
    private const int Observed = 1000;

    private static readonly PodEndFacts Nothing = new() { ScheduledAt = Scheduled, ObservedAt = At(Observed) };

    public static TheoryData<string, PodEndFacts, double, double, bool> Cases =>
        new()
        {
            { "every container told its end", Nothing with { ContainerEnds = [At(3), At(720)] }, 720, 720, true },
            { "a known end counts before a disruption", Nothing with { ContainerEnds = [At(720)], EndTimes = [At(721)] }, 720, 720, true },
            { "a known end counts before the owner's", Nothing with { ContainerEnds = [At(720)], Bounds = [At(719)] }, 720, 720, true },
            {
                "an unknown end is not left out of the maximum",
                Nothing with
                {
                    ContainerEnds = [At(3), null],
                    EndTimes = [At(720), At(719)],
                },
                720,
                720,
                false
            },
            {
                "a container's zero time is unknown",
                Nothing with
                {
                    ContainerEnds = [At(3), DateTimeOffset.UnixEpoch],
                    EndTimes = [At(720)],
                },
                720,
                720,
                false
            },
            {
                "an unknown end without a sign may be as late as it was observed",
                Nothing with
                {
                    ContainerEnds = [At(3), null],
                },
                3,
                Observed,
                false
            },
            { "the owner's end bounds an unknown one", Nothing with { ContainerEnds = [null], Bounds = [At(30), At(600)] }, 0, 30, false },
            { "a bound before the pod's beginning says nothing", Nothing with { Bounds = [At(-5), At(600)] }, 0, 600, false },
            {
                "the owner's end bounds a sign",
                Nothing with
                {
                    ContainerEnds = [null],
                    EndTimes = [At(40)],
                    Bounds = [At(30)],
                },
                30,
                30,
                false
            },
            {
                "a sign before the pod's beginning says nothing",
                Nothing with
                {
                    ContainerEnds = [null],
                    EndTimes = [At(-1)],
                    Bounds = [At(30)],
                },
                0,
                30,
                false
            },
            { "a deletion is over by its deadline", Nothing with { ContainerEnds = [null], DeletionDeadline = At(31) }, 0, 31, false },
            {
                "a deadline before a container's end is that end",
                Nothing with
                {
                    ContainerEnds = [At(40), null],
                    DeletionDeadline = At(31),
                },
                40,
                40,
                false
            },
            { "a pod that is gone ended between its last sight and now", Nothing with { LastSeenAt = At(10) }, 10, Observed, false },
            { "a pod that is gone ended with its owner", Nothing with { LastSeenAt = At(10), Bounds = [At(30)] }, 10, 30, false },
            { "a bound goes before the last sight", Nothing with { LastSeenAt = At(10), Bounds = [At(9)] }, 9, 9, false },
            {
                "a clock that is ahead bills no time to come",
                Nothing with
                {
                    ContainerEnds = [At(Observed + 60)],
                },
                Observed,
                Observed,
                true
            },
            { "a refused pod held nothing", Nothing with { RefusedAt = At(0) }, 0, 0, true },
            { "nothing at all is known", Nothing, 0, Observed, false },
        };

    [Theory]
    [MemberData(nameof(Cases))]
    public void End_is_bounded_by_every_known_fact(string why, PodEndFacts facts, double notBefore, double notAfter, bool isExact) =>
        PodEnd.From(facts).Should().Be(new PodEnd(At(notBefore), At(notAfter), isExact), why);

    private static DateTimeOffset At(double minutes) => Scheduled.AddMinutes(minutes);
}
