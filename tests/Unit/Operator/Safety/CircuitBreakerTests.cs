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
    public void It_allows_five_or_a_fifth(int suspendable, int allowed) =>
        new CircuitBreaker(() => suspendable).Allowance(Now).Should().Be(allowed);

    [Fact]
    public void A_suspending_counts_for_five_minutes()
    {
        var brake = new CircuitBreaker(() => 0);
        brake.Record(Now);
        brake.Allowance(Now.AddMinutes(5)).Should().Be(4);
        brake.Allowance(Now.AddMinutes(5).AddSeconds(1)).Should().Be(5);
    }

    [Fact]
    public void Once_applied_it_stays_until_a_later_word_lifts_it()
    {
        var brake = new CircuitBreaker(() => 0);
        brake.Open(Now);
        brake.Allowance(Now.AddDays(1)).Should().Be(0);
        brake.Reset(Now.AddSeconds(-1)).Should().BeTrue("it is a later word than none");
        brake.Allowance(Now).Should().Be(0, "but said before the brake was applied");
        brake.Reset(Now.AddSeconds(1)).Should().BeTrue();
        brake.Reset(Now.AddSeconds(1)).Should().BeFalse("the same word again");
        brake.Allowance(Now.AddSeconds(1)).Should().Be(5);
    }

    [Fact]
    public void A_new_leader_takes_up_what_was_suspended_and_that_it_was_applied()
    {
        var brake = new CircuitBreaker(() => 0);
        brake.Restore([Now.AddMinutes(-1), Now.AddMinutes(-7), Now.AddMinutes(-2)], null);
        brake.Allowance(Now).Should().Be(3);

        brake.Restore([], Now.AddMinutes(-1));
        brake.Allowance(Now).Should().Be(0);
        // The switch is read after the ledger: an old word must not lift a later brake.
        brake.Reset(Now.AddHours(-1));
        brake.OpenSince.Should().Be(Now.AddMinutes(-1));
        brake.Reset(Now);
        brake.OpenSince.Should().BeNull();
    }
}
