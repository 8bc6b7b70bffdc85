using Bursar.Core.Ledger;

namespace Bursar.Core.State;

/// <summary>A field that Bursar has set on an object of others, and the value to restore. Values are JSON; <c>null</c> means absent.</summary>
/// <param name="Object">The object that was written.</param>
/// <param name="Pointer">A JSON pointer, as <c>/spec/maxReplicaCount</c>.</param>
/// <param name="Original">The value before the first write.</param>
/// <param name="Value">The value that Bursar set.</param>
/// <param name="Before">
/// The value when the last write was decided, until that write is known to have happened. A process that dies between record and write leaves this
/// value in the field, and its successor must not take it for another client's.
/// </param>
public sealed record FieldOverride(ObjectRef Object, string Pointer, string Original, string Value, string? Before = null)
{
    /// <summary>Whether Bursar set the value that the field has now.</summary>
    public bool IsOurs(string present) => present == Value || present == Before && Before != Original;
}
