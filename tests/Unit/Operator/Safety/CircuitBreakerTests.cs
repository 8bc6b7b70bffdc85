using Bursar.Operator.Safety;

namespace Bursar.Tests.Unit.Operator.Safety;

public sealed class CircuitBreakerTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 3, 9, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(0, 5)]
    [InlineData(25, 5)]
    [InlineData(26, 6)]
    [InlineData(1000, 200)]
    public void Breaker_allows_five_suspensions_or_a_fifth(int suspendable, int allowed) =>
        new CircuitBreaker(() => suspendable).Allowance(Now).Should().Be(allowed);

    [Fact]
    public void Suspension_counts_for_five_minutes()
    {
        var breaker = new CircuitBreaker(() => 0);
        breaker.Record("a", Now.AddMinutes(-1));
        breaker.Record("a", Now);
        breaker.Allowance(Now.AddMinutes(5)).Should().Be(4, "one workload was suspended twice");
        breaker.Allowance(Now.AddMinutes(5).AddSeconds(1)).Should().Be(5);
    }

    [Fact]
    public void Open_breaker_stays_open_until_a_later_reset()
    {
        var breaker = new CircuitBreaker(() => 0);
        breaker.Open(Now);
        breaker.Allowance(Now.AddDays(1)).Should().Be(0);
        breaker.Reset(Now.AddSeconds(-1)).Should().BeTrue("it is the first reset");
        breaker.Allowance(Now).Should().Be(0, "but it precedes the opening");
        breaker.Reset(Now.AddSeconds(1)).Should().BeTrue();
        breaker.Reset(Now.AddSeconds(1)).Should().BeFalse("it is the same reset again");
        breaker.Allowance(Now.AddSeconds(1)).Should().Be(5);
    }

    [Fact]
    public void New_leader_restores_recent_suspensions_and_an_open_breaker()
    {
        var breaker = new CircuitBreaker(() => 0);
        breaker.Restore([("a", Now.AddMinutes(-1)), ("b", Now.AddMinutes(-7)), ("c", Now.AddMinutes(-2))], null);
        breaker.Allowance(Now).Should().Be(3);

        breaker.Restore([], Now.AddMinutes(-1));
        breaker.Allowance(Now).Should().Be(0);
        // The control ConfigMap is read after the ledger. An old reset must not close a breaker that opened later.
        breaker.Reset(Now.AddHours(-1));
        breaker.OpenSince.Should().Be(Now.AddMinutes(-1));
        breaker.Reset(Now);
        breaker.OpenSince.Should().BeNull();
    }
}
