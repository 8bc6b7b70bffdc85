namespace Bursar.Operator.Billing;

/// <summary>An indispensable part of the ledger was written by another version. The message says which part and what to do.</summary>
internal sealed class LedgerUnreadableException(string message) : Exception(message);
