namespace Bursar.Sandbox.Time;

/// <summary>Virtual time could not go on: something kept working, or timers kept firing without time passing.</summary>
public sealed class WorldNotIdleException(string message) : Exception(message);
