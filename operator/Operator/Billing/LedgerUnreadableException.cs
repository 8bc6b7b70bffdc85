namespace Bursar.Operator.Billing;

/// <summary>A part of the ledger that nothing can do without is not of this version: the message says which, and what to do.</summary>
internal sealed class LedgerUnreadableException(string message) : Exception(message);
