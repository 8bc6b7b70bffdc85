namespace Bursar.Sandbox.Time;

/// <summary>Virtual time could not advance, because work did not end or timers kept firing at the same time.</summary>
public sealed class WorldNotIdleException(string message) : Exception(message);
