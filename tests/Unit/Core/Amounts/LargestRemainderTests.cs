using Bursar.Core.Money;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Amounts;

public sealed class LargestRemainderTests
{
    [Fact]
    public void Division_adds_up()
    {
        Prop.ForAll(Gen.Zip(Gen.Choose(0, int.MaxValue), Gen.Choose(1, 1_000_000).NonEmptyListOf()).ToArbitrary(), given =>
            {
                long[] weights = [.. given.Item2.Select(w => (long)w)];
                long[] parts = [.. LargestRemainder.Divide(given.Item1, weights).Select(part => (long)part)];
                parts.Sum().Should().Be(given.Item1);
                for (int i = 0; i < parts.Length; i++)
                    ((double)parts[i]).Should().BeApproximately((double)given.Item1 * weights[i] / weights.Sum(), 1.001);
            })
            .QuickCheckThrowOnFailure();
    }
}
