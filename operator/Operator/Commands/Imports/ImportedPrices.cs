using Bursar.Core.Prices;

namespace Bursar.Operator.Commands.Imports;

/// <summary>Rates from another format, in matching order, and what could not be imported and why.</summary>
internal sealed record ImportedPrices(IReadOnlyList<PriceRule> Rates, IReadOnlyList<string> LeftOut)
{
    /// <summary>Imported prices that rest on an assumption that the user should check.</summary>
    public IReadOnlyList<string> Doubts { get; init; } = [];
}

/// <summary>The file is invalid; the message has the place.</summary>
internal sealed class ImportException(string message) : Exception(message);
