using Bursar.Core.Prices;

namespace Bursar.Operator.Commands.Imports;

/// <summary>Rates read from somebody else's form, in the order in which they match, and what could not be taken over and why.</summary>
internal sealed record ImportedPrices(IReadOnlyList<PriceRule> Rates, IReadOnlyList<string> LeftOut)
{
    /// <summary>Prices that were taken over on an assumption that the user should check.</summary>
    public IReadOnlyList<string> Doubts { get; init; } = [];
}

/// <summary>The file is not what it should be; the message names the place.</summary>
internal sealed class ImportException(string message) : Exception(message);
