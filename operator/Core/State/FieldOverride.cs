using Bursar.Core.Ledger;

namespace Bursar.Core.State;

/// <summary>A field that Bursar has set on an object of others, and the value to restore. Values are JSON; <c>null</c> means absent.</summary>
/// <param name="Object">The object that was written.</param>
/// <param name="Pointer">A JSON pointer, as <c>/spec/maxReplicaCount</c>.</param>
/// <param name="Original">The value before the first write.</param>
/// <param name="Value">The value that Bursar set.</param>
/// <param name="Before">
/// The value before the latest write, kept until that write is confirmed. If the process dies after it stored this record and before it
/// wrote the field, the field still has this value. The next process must not take it for a change by another client.
/// </param>
public sealed record FieldOverride(ObjectRef Object, string Pointer, string Original, string Value, string? Before = null)
{
    /// <summary>Whether Bursar set the value that the field has now.</summary>
    public bool IsOurs(string present) => present == Value || present == Before && Before != Original;
}
